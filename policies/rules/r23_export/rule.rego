# METADATA
# title: Storing abroad is an export by transmission
# description: |
#   Names the export. Whether it is authorised is for r24_approval and r25_declaration to say, and whether the
#   place is allowed for r10_region; so this one only records.
# custom:
#   requirement: R23
#   basis: guidance
#   certainty: S
#   severity: log
#   order: 82
#   source: >-
#     An older reading of the Guideline (S).
package haechi.rules.r23_export

import data.haechi.facts

findings contains {
	"rule": "r23_export",
	"params": {"role": place.role, "container": place.container, "country": place.country},
} if {
	some place in facts.abroad
}
