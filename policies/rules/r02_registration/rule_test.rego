package haechi.tests.r02_registration

import data.haechi.rules.r02_registration
import data.testing

test_silent_on_the_compliant_upload if {
	count(r02_registration.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_without_a_number if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/registry/institution/registration_number", "value": " "},
	])
	some finding in r02_registration.findings with input as changed
	finding.params.reason == "none"
}
