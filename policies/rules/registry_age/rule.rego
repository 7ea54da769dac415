# METADATA
# title: The registry is not older than the institution allows
# description: |
#   Only where the institution set a limit (registry_max_age_days in data.yaml): approvals, orders and personnel of an
#   older registry may have changed.
# custom:
#   requirement: haechi
#   basis: inference
#   certainty: I
#   severity: block
#   order: 72
#   source: >-
#     The institution's own choice. No source found gives a period, so none is set unless the institution sets one.
package haechi.rules.registry_age

import data.haechi.facts

findings contains {
	"rule": "registry_age",
	"params": {"age_seconds": input.registry.age_seconds, "limit": data.choices.registry_max_age_days.value},
} if {
	is_number(data.choices.registry_max_age_days.value)
	input.registry.age_seconds > data.choices.registry_max_age_days.value * 86400
	facts.moved
}
