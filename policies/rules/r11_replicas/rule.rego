# METADATA
# title: Copies stay in Korea
# description: |
#   Every replica of the container must be in Korea. Replication that cannot be read counts as replication abroad.
# custom:
#   requirement: R11
#   basis: guidance
#   certainty: S
#   severity: block
#   order: 22
#   source: >-
#     Guidebook (April 2025), from public summaries (S).
package haechi.rules.r11_replicas

import data.haechi.facts

findings contains {
	"rule": "r11_replicas",
	"params": {
		"container": input.destination.facts.container,
		"replica": place.container,
		"country": place.country,
		"region": place.region,
	},
} if {
	some place in facts.abroad
	place.role == "replica"
}
