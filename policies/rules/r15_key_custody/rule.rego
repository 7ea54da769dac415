# METADATA
# title: The institution manages the key
# description: |
#   The provider-side key must be a customer-managed key of the signed registry. A key that the provider manages,
#   or one handed to it with every request, is not the institution's alone.
# custom:
#   requirement: R15
#   also: [R14]
#   basis: inference
#   certainty: I
#   severity: block
#   order: 52
#   source: >-
#     R15 is from a press draft of the guidebook (S). That it binds the provider-side key, too, is the stricter reading, chosen
#     here.
package haechi.rules.r15_key_custody

import data.haechi.facts

findings contains {
	"rule": "r15_key_custody",
	"params": {"container": input.destination.facts.container, "mode": input.encryption.mode, "key": facts.key.id, "reason": reason},
} if {
	reason
	facts.moved
}

reason := "unknown" if {
	is_string(input.encryption.mode.unknown)
} else := "provider" if {
	input.encryption.mode == "provider"
} else := "client-key" if {
	input.encryption.mode == "client-key"
} else := "provider" if {
	input.encryption.key.manager == "provider"
} else := "unknown" if {
	not input.encryption.key.manager == "customer"
	facts.keyed
} else := "not-approved" if {
	not [input.destination.facts.provider, facts.key.id] in facts.our_keys
	facts.keyed
	not data.choices.approved_keys_only.value == false
}
