# METADATA
# title: An order to suspend, prohibit or restore blocks at once
# description: |
#   While an order is in force everything tagged in its scope stays, sealed or not, wherever it goes. Of
#   content whose technology nobody knows any order may be meant. Without a registry it is not known whether one stands.
# custom:
#   requirement: R28
#   basis: statute
#   certainty: S
#   severity: block
#   order: 10
#   source: >-
#     Act Art. 11, Decree Art. 18-6, and the announcement of 2024-12-27 (S).
package haechi.rules.r28_order

import data.haechi.facts

findings contains {
	"rule": "r28_order",
	"params": {"order": order.id, "kind": order.kind, "technologies": order.technologies, "reason": "in-force"},
} if {
	some order in input.registry.orders
	concerned
}

findings contains {
	"rule": "r28_order",
	"params": {
		"order": input.registry,
		"kind": input.registry,
		"technologies": {tag.technology | some tag in input.content.tags},
		"reason": "unknown",
	},
} if {
	is_string(input.registry.unknown)
	concerned
}

concerned if facts.moved

concerned if {
	count(input.request.exposures) > 0
	facts.tagged
}
