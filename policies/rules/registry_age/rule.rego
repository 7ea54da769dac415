# METADATA
# title: The registry is of the present
# description: |
#   Not older than the institution allows (registry_max_age_days in data.yaml), where it set a limit: approvals, orders
#   and personnel of an older registry may have changed. And not issued later than now by more than
#   clock_tolerance_seconds: then this machine's clock is behind, and what has ended would hold again.
# custom:
#   requirement: haechi
#   basis: inference
#   certainty: I
#   severity: block
#   order: 72
#   source: >-
#     No source found gives a period, so no age is set unless the institution sets one. That a clock which is behind
#     stops uploads, and from how many seconds on, is this project's choice.
package haechi.rules.registry_age

import data.haechi.facts

findings contains {
	"rule": "registry_age",
	"params": {
		"age_seconds": input.registry.age_seconds,
		"limit": data.choices.registry_max_age_days.value,
		"reason": "old",
	},
} if {
	is_number(data.choices.registry_max_age_days.value)
	input.registry.age_seconds > data.choices.registry_max_age_days.value * 86400
	facts.moved
}

findings contains {
	"rule": "registry_age",
	"params": {"age_seconds": input.registry.age_seconds, "limit": 0, "reason": "ahead"},
} if {
	input.registry.age_seconds < 0 - tolerance
	facts.moved
}

default tolerance := 3600

tolerance := data.choices.clock_tolerance_seconds.value
