# METADATA
# title: Export of government-funded technology needs approval
# description: |
#   Content, copies or keys abroad need a granted approval in force that names the technology, the country and
#   this content (or is comprehensive). Unknown funding counts as government. Pending authorises nothing (R26).
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
import data.haechi.facts

findings contains {
	"rule": "r24_approval",
	"params": {
		"technology": tag.technology,
		"funding": tag.funding,
		"role": place.role,
		"container": place.container,
		"country": place.country,
		"reason": reason,
	},
} if {
	some tag in exports.technologies
	not tag.funding == "private"

	# Without a registry nothing is authorised.
	approvals := object.get(input.registry, "approvals", [])
	reason := exports.reason(approvals, tag.technology)
	some place in facts.abroad
	not exports.covered(approvals, tag.technology, place)
}
