# METADATA
# title: Export of other technology needs a declaration
# description: |
#   As r24_approval, for technology that was developed without government funding: a declaration that was accepted,
#   is in force, and was not made for government-funded technology.
# custom:
#   requirement: R25
#   also: [R26]
#   basis: statute
#   certainty: S
#   severity: block
#   order: 60
#   source: >-
#     Act Art. 11 (S); that a pending review authorises nothing follows from Decree Art. 15 and 16 (I).
package haechi.rules.r25_declaration

import data.haechi.exports

findings contains {
	"rule": "r25_declaration",
	"params": {
		"technology": export.technology,
		"funding": export.funding,
		"role": export.place.role,
		"container": export.place.container,
		"country": export.place.country,
		"reason": exports.reason(exports.authorisations.private, export.technology),
	},
} if {
	some export in exports.uncovered
	export.funding == "private"
}
