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
#   source: >-
#     Inferred from R10 and R15 (I).
package haechi.rules.r16_key_location

import data.haechi.facts

params := {"key": facts.key_id, "country": facts.key_country, "region": facts.key_region}

findings contains {"rule": "r16_key_location", "params": object.union(params, {"reason": "abroad"})} if {
	facts.has_key
	not facts.key_country in data.choices.home_countries.value
	facts.moved
}

findings contains {"rule": "r16_key_location", "params": object.union(params, {"reason": "multi-region"})} if {
	facts.has_key
	not input.encryption.key.multi_region == false
	facts.moved
}

findings contains {"rule": "r16_key_location", "params": object.union(params, {"reason": "external-store"})} if {
	input.encryption.key.origin == "EXTERNAL_KEY_STORE"
	not [input.destination.facts.provider, facts.key_id] in facts.our_keys
	facts.moved
}
