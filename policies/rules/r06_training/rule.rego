# METADATA
# title: Designated personnel are trained
# description: |
#   The registry must name a day of the person's training that has come, not longer ago than the institution allows
#   (training_max_age_days in data.yaml; without a limit any day will do). Of somebody who is not designated, or not
#   known, there is none. That it is refused is this project's default; the institution may choose otherwise.
# custom:
#   requirement: R06
#   basis: statute
#   certainty: Q
#   severity: block
#   order: 35
#   source: >-
#     Decree Art. 14(6): training (Q). No source found gives an interval.
package haechi.rules.r06_training

import data.haechi.facts

findings contains {"rule": "r06_training", "params": {"user": input.actor.user, "reason": reason}} if {
	facts.moved
	reason
}

reason := input.registry if {
	is_string(input.registry.unknown)
} else := input.registry.person if {
	is_string(input.registry.person.unknown)
} else := "nobody" if {
	not input.registry.person.id
} else := "none" if {
	not dated
} else := "old" if {
	is_number(data.choices.training_max_age_days.value)
	input.registry.person.training_days > data.choices.training_max_age_days.value
}

dated if is_number(input.registry.person.training_days)
