package haechi.tests.r06_training

import data.haechi.rules.r06_training
import data.testing

test_silent_on_the_compliant_upload if {
	count(r06_training.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_without_a_day if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/registry/person/training_days", "value": null},
	])
	some finding in r06_training.findings with input as changed
	finding.params.reason == "none"
}

test_speaks_where_nobody_is_designated if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/registry/person", "value": null},
	])
	some finding in r06_training.findings with input as changed
	finding.params.reason == "nobody"
}

test_a_limit_is_the_institutions if {
	some finding in r06_training.findings with input as testing.sealed_seoul
		with data.choices.training_max_age_days.value as 30
	finding.params.reason == "old"
}

test_within_the_limit if {
	count(r06_training.findings) == 0 with input as testing.sealed_seoul with data.choices.training_max_age_days.value as 60
}
