package haechi.tests.policy_age

import data.haechi.rules.policy_age
import data.testing

issued := json.patch(testing.sealed_seoul, [{
	"op": "replace",
	"path": "/policy",
	"value": {"sequence": 7, "age_seconds": 259200, "unconfirmed_seconds": 172800},
}])

test_silent_on_the_compliant_upload if {
	count(policy_age.findings) == 0 with input as testing.sealed_seoul
}

test_silent_on_any_age_without_a_limit if {
	count(policy_age.findings) == 0 with input as issued
}

test_silent_within_the_limits if {
	count(policy_age.findings) == 0 with input as issued
		with data.choices.policy_max_age_days.value as 3
		with data.choices.policy_max_unconfirmed_days.value as 2
}

test_speaks_on_policies_that_are_old if {
	policy_age.findings == {{"rule": "policy_age", "params": {"limit": 2, "reason": "old"}}} with input as issued
		with data.choices.policy_max_age_days.value as 2
}

test_speaks_on_policies_without_a_date if {
	policy_age.findings == {{"rule": "policy_age", "params": {"limit": 2, "reason": "undated"}}} with input as testing.sealed_seoul
		with data.choices.policy_max_age_days.value as 2
}

test_speaks_where_the_source_was_not_reached if {
	policy_age.findings == {{"rule": "policy_age", "params": {"limit": 1, "reason": "unconfirmed"}}} with input as issued
		with data.choices.policy_max_unconfirmed_days.value as 1
}

test_silent_where_there_is_no_source if {
	count(policy_age.findings) == 0 with input as testing.sealed_seoul
		with data.choices.policy_max_unconfirmed_days.value as 1
}
