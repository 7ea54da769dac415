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
		"reason": exports.reason(input.registry.declarations, tag.technology),
	},
} if {
	some place in facts.abroad
	some tag in exports.technologies
	tag.funding == "private"
	not exports.covered(input.registry.declarations, tag.technology, place)
}

# Without a registry nothing is authorised.
findings contains {
	"rule": "r25_declaration",
	"params": {
		"technology": tag.technology,
		"funding": tag.funding,
		"role": place.role,
		"container": place.container,
		"country": place.country,
		"reason": "none",
	},
} if {
	facts.unknown(input.registry)
	some place in facts.abroad
	some tag in exports.technologies
	tag.funding == "private"
}
