# METADATA
# title: Encrypted by the user before it leaves (layer 1)
# description: |
#   Only ciphertext that the agent itself produced counts. Server-side encryption in any form (customer-managed
#   key, two provider layers, a key sent along) happens after the bytes left.
# custom:
#   requirement: R13
#   basis: guidance
#   certainty: S
#   severity: block
#   order: 30
#   source: >-
#     Guidebook (April 2025), from public summaries (S).
package haechi.rules.r13_layer1

import data.haechi.facts

findings contains {
	"rule": "r13_layer1",
	"params": {"name": facts.name, "mode": input.encryption.mode},
} if {
	not facts.sealed
	facts.moved
}
