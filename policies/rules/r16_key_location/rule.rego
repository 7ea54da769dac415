# METADATA
# title: Keys stay in Korea
# description: |
#   The provider-side key must lie in a Korean region, must not be a multi-region key, and must not live in an
#   external key store that nobody approved.
# custom:
#   requirement: R16
#   basis: inference
#   certainty: I
#   severity: block
#   order: 54
#   source: >-
#     Inferred from R10 and R15 (I).
package haechi.rules.r16_key_location

import data.haechi.facts

findings contains {
	"rule": "r16_key_location",
	"params": {"key": facts.key.id, "country": facts.key.country, "region": facts.key.region, "reason": "abroad"},
} if {
	facts.keyed
	not facts.key.country in facts.home
}

findings contains {
	"rule": "r16_key_location",
	"params": {"key": facts.key.id, "country": facts.key.country, "region": facts.key.region, "reason": "multi-region"},
} if {
	not input.encryption.key.multi_region == false
	facts.keyed
}

findings contains {
	"rule": "r16_key_location",
	"params": {"key": facts.key.id, "country": facts.key.country, "region": facts.key.region, "reason": "external-store"},
} if {
	input.encryption.key.origin == "EXTERNAL_KEY_STORE"
	not [input.destination.facts.provider, facts.key.id] in facts.our_keys
	facts.moved
}
