# METADATA
# title: Public access blocks are all on
# description: |
#   A container that is private today but whose public access blocks are off can be opened by one later request.
#   Recorded, not blocked.
# custom:
#   requirement: R30
#   basis: inference
#   certainty: I
#   severity: log
#   order: 84
#   source: >-
#     In the spirit of Decree Art. 14(3)(4) (I).
package haechi.rules.r30_guardrail

import data.haechi.facts

findings contains {"rule": "r30_guardrail", "params": {"container": input.destination.facts.container}} if {
	not input.destination.facts.public.blocked == true
	facts.moved
}
