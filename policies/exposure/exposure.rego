# METADATA
# title: When a change of settings matters
# description: |
#   Shared by the rules about changes that expose. A change matters where tagged content is, or may be: the place is
#   the institution's, or nobody knows whose it is. What somebody does with a place of their own that is known to hold
#   nothing tagged is nobody's business here.
package haechi.exposure

import data.haechi.facts

default sensitive := true

# A place whose settings are nobody's business here: nothing tagged is known there, and it is known to be another's.
sensitive := false if {
	not facts.tagged
	is_string(input.destination.facts.account)
	is_array(input.registry.accounts)
	not [input.destination.facts.provider, input.destination.facts.account] in facts.our_accounts
}

default exposes := false

# An object's own access wish matters where the object is tagged; a change of a place where the place does.
exposes if facts.tagged

exposes if {
	input.request.kind in {"expose", "unrecognised"}
	sensitive
}

exposes if {
	input.request.kind == "prepare"
	sensitive
	object.get(input, ["destination", "location", "key"], "") == ""
}

# Whether a container that a change of settings names is proven not to be open to everybody. What else is asked of it
# stands in the rules: within a function of this package the embedded engine does not find the facts of another.
closed(public) if public.blocked == true

closed(public) if [public.acl_public, public.policy_public] == [false, false]

# The changes that matter here.
changes contains change if {
	exposes
	some change in input.request.exposures
}
