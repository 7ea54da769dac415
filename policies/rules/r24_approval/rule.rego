# METADATA
# title: Export of government-funded technology needs approval
# description: |
#   Content or copies abroad need a granted approval in force that names the technology, the country and this content
#   (or is comprehensive), and that was not given for privately funded technology. Unknown funding counts as
#   government. Pending authorises nothing (R26).
# custom:
#   requirement: R24
#   also: [R26]
#   basis: statute
#   certainty: S
#   severity: block
#   order: 60
#   source: >-
#     Act Art. 11 (S); that a pending review authorises nothing follows from Decree Art. 15 and 16 (I).
package haechi.rules.r24_approval

import data.haechi.exports

findings contains {
	"rule": "r24_approval",
	"params": {
		"technology": export.technology,
		"funding": export.funding,
		"role": export.place.role,
		"container": export.place.container,
		"country": export.place.country,
		"reason": exports.reason(exports.authorisations.government, export.technology),
	},
} if {
	some export in exports.uncovered
	not export.funding == "private"
}
