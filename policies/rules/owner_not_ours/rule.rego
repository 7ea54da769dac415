# METADATA
# title: Container and key belong to the institution
# description: |
#   The accounts that own the container, its replicas and its key must stand in the signed registry. A perfect
#   bucket of somebody else is a leak; an unknown owner is somebody else.
# custom:
#   requirement: R15
#   also: [R05, R08]
#   basis: inference
#   certainty: I
#   severity: block
#   source: >-
#     No requirement says it in words; it follows from R05, R08 and R15 (I).
package haechi.rules.owner_not_ours

import data.haechi.facts

findings contains {
	"rule": "owner_not_ours",
	"params": {"role": "container", "name": facts.dest.container, "account": facts.dest.account},
} if {
	facts.moved
	not [facts.dest.provider, facts.dest.account] in facts.our_accounts
}

findings contains {
	"rule": "owner_not_ours",
	"params": {"role": "key", "name": facts.key_id, "account": facts.key_account},
} if {
	facts.moved
	facts.has_key
	not [facts.dest.provider, facts.key_account] in facts.our_accounts
}

findings contains {
	"rule": "owner_not_ours",
	"params": {"role": "replica", "name": replica.container, "account": replica.account},
} if {
	facts.moved
	is_array(facts.dest.replicas)
	some replica in facts.dest.replicas
	not [facts.dest.provider, replica.account] in facts.our_accounts
}
