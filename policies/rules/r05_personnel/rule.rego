# METADATA
# title: Only designated personnel move tagged content
# description: |
#   Whoever uploads must be one of the designated personnel of the signed registry. Without a registry, or without
#   a certain user, nobody is.
# custom:
#   requirement: R05
#   basis: inference
#   certainty: I
#   severity: block
#   order: 34
#   source: >-
#     Decree Art. 14(5): only designated personnel may view (Q). That an upload is such a use is inferred here
#     (I).
package haechi.rules.r05_personnel

import data.haechi.facts

findings contains {
	"rule": "r05_personnel",
	"params": {"user": input.actor.user, "access_key": input.request.access_key, "reason": reason},
} if {
	reason
	facts.moved
}

reason := "registry" if {
	is_string(input.registry.unknown)
} else := "nobody" if {
	input.registry.person == null
} else := "unknown" if {
	is_string(input.registry.person.unknown)
} else := "user" if {
	not input.registry.person.by_user == true
} else := "credential" if {
	not input.registry.person.by_access_key == true
	not data.choices.listed_credentials_only.value == false
}
