# METADATA
# title: An order to suspend, prohibit or restore blocks at once
# description: |
#   While an order is in force everything tagged in its scope stays, sealed or not, wherever it goes. Without a
#   registry it is not known whether an order stands.
# custom:
#   requirement: R28
#   basis: statute
#   certainty: S
#   severity: block
#   source: >-
#     Act Art. 11, Decree Art. 18-6, and the seed (S).
package haechi.rules.r28_order

import data.haechi.facts

findings contains {
	"rule": "r28_order",
	"params": {"order": order.id, "kind": order.kind, "technologies": order.technologies},
} if {
	concerned
	some order in input.registry.orders
}

findings contains {
	"rule": "r28_order",
	"params": {"order": input.registry, "kind": input.registry, "technologies": []},
} if {
	concerned
	facts.unknown(input.registry)
}

concerned if facts.moved

concerned if {
	facts.tagged
	facts.exposes
}
