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
#   order: 24
#   source: >-
#     No requirement says it in words; it follows from R05, R08 and R15 (I).
package haechi.rules.owner_not_ours

import data.haechi.facts

# The reason is the fact itself: whose it is, or why nobody knows; words.yaml tells it.

findings contains {
	"rule": "owner_not_ours",
	"params": {
		"role": "container",
		"name": input.destination.facts.container,
		"account": input.destination.facts.account,
		"reason": input.destination.facts.account,
	},
} if {
	not [input.destination.facts.provider, input.destination.facts.account] in facts.our_accounts
	facts.moved
}

findings contains {
	"rule": "owner_not_ours",
	"params": {"role": "key", "name": facts.key.id, "account": facts.key.account, "reason": facts.key.account},
} if {
	facts.keyed
	not [input.destination.facts.provider, facts.key.account] in facts.our_accounts
}

findings contains {
	"rule": "owner_not_ours",
	"params": {"role": "replica", "name": replica.container, "account": replica.account, "reason": replica.account},
} if {
	is_array(input.destination.facts.replicas)
	some replica in input.destination.facts.replicas
	not [input.destination.facts.provider, replica.account] in facts.our_accounts
	facts.moved
}
