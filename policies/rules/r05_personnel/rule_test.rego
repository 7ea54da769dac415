package haechi.tests.r05_personnel

import data.haechi.rules.r05_personnel
import data.testing

test_silent_on_the_compliant_upload if {
	count(r05_personnel.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_on_nobody_designated if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/registry/person", "value": null},
	])
	some finding in r05_personnel.findings with input as changed
	finding.rule == "r05_personnel"
}

test_speaks_on_anothers_credential if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/registry/person/by_user", "value": false},
	])
	some finding in r05_personnel.findings with input as changed
	finding.rule == "r05_personnel"
}
