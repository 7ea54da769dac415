# METADATA
# title: The policies are not older than the institution allows
# description: |
#   Only where the institution set a limit: policy_max_age_days since the issue in force was issued, or
#   policy_max_unconfirmed_days since its source was last reached. Policies without a number and date (those that ship,
#   a folder's) have no age, and with an age limit that is too old; where there is no source, nothing is unconfirmed.
# custom:
#   requirement: haechi
#   basis: inference
#   certainty: I
#   severity: block
#   order: 73
#   source: >-
#     The institution's own choice. No source found gives a period, so none is set unless the institution sets one.
package haechi.rules.policy_age

import data.haechi.facts

findings contains {
	"rule": "policy_age",
	"params": {"limit": data.choices.policy_max_age_days.value, "reason": age_reason},
} if {
	is_number(data.choices.policy_max_age_days.value)
	not young
	facts.moved
}

findings contains {
	"rule": "policy_age",
	"params": {"limit": data.choices.policy_max_unconfirmed_days.value, "reason": "unconfirmed"},
} if {
	is_number(data.choices.policy_max_unconfirmed_days.value)
	not confirmed
	facts.moved
}

# In rules of their own: negating a reference that is not there means different things to the engines. Both are looked
# at even without a limit, and counting with none is an error to one engine.
young if {
	is_number(data.choices.policy_max_age_days.value)
	is_number(input.policy.age_seconds)
	input.policy.age_seconds <= data.choices.policy_max_age_days.value * 86400
}

confirmed if input.policy.unconfirmed_seconds == null

confirmed if {
	is_number(data.choices.policy_max_unconfirmed_days.value)
	is_number(input.policy.unconfirmed_seconds)
	input.policy.unconfirmed_seconds <= data.choices.policy_max_unconfirmed_days.value * 86400
}

default age_reason := "undated"

age_reason := "old" if is_number(input.policy.age_seconds)
