package haechi.tests.r29_foreign_access

import data.haechi.rules.r29_foreign_access
import data.testing

test_silent_on_the_compliant_upload if {
	count(r29_foreign_access.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_on_foreign_access_without_review if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/registry/person/access", "value": "foreign"},
	])
	some finding in r29_foreign_access.findings with input as changed
	finding.params.reason == "foreign"
}

test_speaks_where_nobody_is_designated if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/registry/person", "value": null},
	])
	some finding in r29_foreign_access.findings with input as changed
	finding.params.reason == "nobody"
}

test_silent_on_foreign_access_with_review if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/registry/person/access", "value": "foreign"},
		{"op": "replace", "path": "/registry/person/reviewed", "value": true},
	])
	count(r29_foreign_access.findings) == 0 with input as changed
}
