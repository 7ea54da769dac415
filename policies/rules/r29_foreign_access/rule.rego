# METADATA
# title: Access from abroad or by foreign persons was reviewed
# description: |
#   Who acts must be designated with domestic access, or with foreign access behind which a granted authorisation, or
#   an exemption on a basis that the institution relies on, stands that is in force and covers this content and every
#   technology of it. The registry says which (one word, no nationality); from where a request
#   really comes is not seen. That it is refused is this project's default; the institution may choose otherwise.
# custom:
#   requirement: R29
#   basis: inference
#   certainty: I
#   severity: block
#   order: 37
#   source: >-
#     The guidebook covers export (S); that access from abroad, or by foreign persons, to what is stored in Korea
#     needs a review is inferred here (I).
package haechi.rules.r29_foreign_access

import data.haechi.exports
import data.haechi.facts

findings contains {"rule": "r29_foreign_access", "params": {"user": input.actor.user, "reason": reason}} if {
	facts.moved
	not input.registry.person.access == "domestic"
	not reviewed
	reason
}

reviewed if {
	input.registry.person.access == "foreign"
	input.registry.person.reviewed == true
	accepted
}

# An approval or a declaration; an exemption only on a basis that the institution relies on, as r27_exemption asks.
accepted if input.registry.person.review_basis == null

accepted if input.registry.person.review_basis in exports.bases

reason := input.registry if {
	is_string(input.registry.unknown)
} else := input.registry.person if {
	is_string(input.registry.person.unknown)
} else := "nobody" if {
	not input.registry.person.id
} else := "foreign" if {
	input.registry.person.access == "foreign"
} else := "unsaid"
