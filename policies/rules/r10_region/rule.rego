# METADATA
# title: The cloud system stands in Korea
# description: |
#   The container's country, derived from provider and region, must be Korea. Sealing does not change that, nor
#   does an export approval. An unknown country is not Korea.
# custom:
#   requirement: R10
#   basis: guidance
#   certainty: S
#   severity: block
#   order: 20
#   source: >-
#     Guidebook (April 2025), from public summaries (S).
package haechi.rules.r10_region

import data.haechi.facts

findings contains {
	"rule": "r10_region",
	"params": {"container": place.container, "country": place.country, "region": place.region},
} if {
	some place in facts.abroad
	place.role == "destination"
}
