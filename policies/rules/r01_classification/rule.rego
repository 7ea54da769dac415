# METADATA
# title: Only what is classified moves
# description: |
#   Every tag must name a technology of the notice in force, as the catalogue of the signed policies has it. Material
#   that waits for official determination (OFFICIAL-PENDING), a technology that is not in the catalogue (any more),
#   and content that was recognised without any tag are not classified. That it is refused is this project's default;
#   the institution may choose otherwise.
# custom:
#   requirement: R01
#   basis: inference
#   certainty: I
#   severity: block
#   order: 26
#   source: >-
#     Act Art. 9, Decree Art. 13-2: what may be national core technology goes to official determination (S). That it
#     must not be uploaded before is inferred here (I).
package haechi.rules.r01_classification

import data.haechi.exports
import data.haechi.facts

findings contains {
	"rule": "r01_classification",
	"params": {"technology": tag.technology, "name": facts.name, "reason": reason(tag.technology)},
} if {
	facts.moved
	some tag in exports.technologies
	not designated(tag.technology)
}

designated(technology) if {
	some field in data.catalogue.fields
	field.technologies[technology]
}

reason(technology) := "pending" if {
	technology == "OFFICIAL-PENDING"
} else := "untagged" if {
	technology == "unknown"
} else := "not-in-notice"
