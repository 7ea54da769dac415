package haechi.tests.registry_age

import data.haechi.rules.registry_age
import data.testing

test_silent_on_the_compliant_upload if {
	count(registry_age.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_where_the_institution_set_a_limit if {
	some finding in registry_age.findings with input as testing.sealed_seoul
		with data.choices.registry_max_age_days.value as 2
	finding.params.limit == 2
	finding.params.reason == "old"
}

test_speaks_where_the_clock_is_behind if {
	changed := json.patch(testing.sealed_seoul, [{"op": "replace", "path": "/registry/age_seconds", "value": -7200}])
	some finding in registry_age.findings with input as changed
	finding.params.reason == "ahead"
}
