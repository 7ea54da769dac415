# METADATA
# title: An exempt export has a recorded basis and evidence
# description: |
#   Where nothing covers an export but an exemption that reaches it, that exemption must stand on a basis that the
#   institution relies on (exemption_bases in data.yaml) and name its evidence. An exemption never covers more than
#   its content, technology and place, and never waives storage in Korea. That it is refused is this project's
#   default; the institution may choose otherwise.
# custom:
#   requirement: R27
#   basis: statute
#   certainty: S
#   severity: block
#   order: 61
#   source: >-
#     The announcement of 2024-12-27 and Decree Art. 16-2 (S). The criteria of Art. 16-2 were not found: which bases count is
#     the institution's choice.
package haechi.rules.r27_exemption

import data.haechi.exports

findings contains {
	"rule": "r27_exemption",
	"params": {
		"exemption": exemption.id,
		"basis": exemption.basis,
		"technology": export.technology,
		"container": export.place.container,
		"country": export.place.country,
		"reason": reason(exemption),
	},
} if {
	some export in exports.uncovered
	some exemption in input.registry.exemptions
	exports.reaches(exemption, export.technology, export.place)
}

reason(exemption) := "evidence" if {
	not exports.proven(exemption)
} else := "basis"
