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
#   source: >-
#     R15 is from a press draft of the guidebook (S). That it binds the provider-side key, too, is the stricter reading, chosen
#     here.
package haechi.rules.r15_key_custody

import data.haechi.facts

findings contains {
	"rule": "r15_key_custody",
	"params": {"container": input.destination.facts.container, "mode": input.encryption.mode, "key": facts.key_id, "reason": reason},
} if {
	reason
	facts.moved
}

# What is stored already would be put under a key that nobody approved.
findings contains {
	"rule": "r15_key_custody",
	"params": {
		"container": input.destination.facts.container,
		"mode": change.value,
		"key": target,
		"reason": "not-approved",
	},
} if {
	some change in input.request.exposures
	change.aspect == "encryption"
	some target in change.targets
	not [input.destination.facts.provider, target] in facts.our_keys
	facts.tagged
	facts.exposes
}

reason := "unknown" if {
	facts.unknown(input.encryption.mode)
} else := "provider" if {
	input.encryption.mode == "provider"
} else := "client-key" if {
	input.encryption.mode == "client-key"
} else := "provider" if {
	input.encryption.key.manager == "provider"
} else := "unknown" if {
	facts.has_key
	not input.encryption.key.manager == "customer"
} else := "not-approved" if {
	facts.has_key
	not data.choices.approved_keys_only.value == false
	not [input.destination.facts.provider, facts.key_id] in facts.our_keys
}
