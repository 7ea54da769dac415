# METADATA
# title: The holding institution is registered
# description: |
#   The signed registry must name the institution's registration number. That it is recorded and not refused is this
#   project's default; the institution may choose otherwise.
# custom:
#   requirement: R02
#   basis: statute
#   certainty: S
#   severity: log
#   order: 88
#   source: >-
#     Decree Art. 13-3 (S).
package haechi.rules.r02_registration

import data.haechi.facts

findings contains {"rule": "r02_registration", "params": {"reason": reason}} if {
	facts.moved
	not registered
	reason
}

registered if {
	is_string(input.registry.institution.registration_number)
	trim(input.registry.institution.registration_number, " ") != ""
}

reason := input.registry if {
	is_string(input.registry.unknown)
} else := "none"
