# METADATA
# title: Encrypted again by the provider (layer 2)
# description: |
#   The provider must encrypt what it stores. A mode that is unknown or not recognised does not count.
# custom:
#   requirement: R14
#   basis: guidance
#   certainty: S
#   severity: block
#   order: 48
#   source: >-
#     Guidebook (April 2025), from public summaries (S).
package haechi.rules.r14_layer2

import data.haechi.facts

findings contains {
	"rule": "r14_layer2",
	"params": {"container": input.destination.facts.container, "mode": input.encryption.mode},
} if {
	not input.encryption.mode in {"provider", "kms", "kms-dual", "client-key"}
	facts.moved
}
