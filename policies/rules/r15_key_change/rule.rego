# METADATA
# title: What is stored stays under the institution's key
# description: |
#   A change of default or object encryption, where it matters, must name KMS keys of the signed registry. Encryption
#   with the provider's own key, taking the setting away (S3 then uses its own key) and what cannot be read do not.
# custom:
#   requirement: R15
#   also: [R14, R16]
#   basis: inference
#   certainty: I
#   severity: block
#   order: 50
#   source: >-
#     R15 is from a press draft of the guidebook (S). That it binds the provider-side key, and changes of it, is the
#     stricter reading, chosen here (I).
package haechi.rules.r15_key_change

import data.haechi.exposure
import data.haechi.facts

findings contains {
	"rule": "r15_key_change",
	"params": {"container": input.destination.facts.container, "mode": change.value, "key": change.targets, "reason": reason(change)},
} if {
	some change in input.request.exposures
	change.aspect == "encryption"
	exposure.exposes
	not kept(change)
}

# Every key that the change names is approved, and it names one. An empty value is a change of a single object's key.
kept(change) if {
	change.public == false
	change.value in {"", "aws:kms", "aws:kms:dsse"}
	count(change.targets) > 0
	every key in change.targets {
		[input.destination.facts.provider, key] in facts.our_keys
	}
}

reason(change) := "removed" if {
	change.value == "removed"
} else := "unknown" if {
	not change.public == false
} else := "not-approved" if {
	count(change.targets) > 0
} else := "provider"
