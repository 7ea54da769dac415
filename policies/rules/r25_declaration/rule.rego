# METADATA
# title: Export of other technology needs a declaration
# description: |
#   As r24_approval, for technology that was developed without government funding: a declaration that was accepted
#   and is in force.
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
import data.haechi.facts

findings contains {
	"rule": "r25_declaration",
	"params": {
		"technology": tag.technology,
		"funding": tag.funding,
		"role": place.role,
		"container": place.container,
		"country": place.country,
		"reason": reason,
	},
} if {
	some tag in input.content.tags
	tag.funding == "private"

	# Without a registry nothing is authorised.
	declarations := object.get(input.registry, "declarations", [])
	reason := exports.reason(declarations, tag.technology)
	some place in facts.abroad
	not exports.covered(declarations, tag.technology, place)
}
