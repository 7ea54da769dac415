package haechi.tests.r03_grade

import data.haechi.rules.r03_grade
import data.testing

test_silent_on_the_compliant_upload if {
	count(r03_grade.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_on_a_grade_that_the_institution_does_not_have if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/content/tags/0/grade", "value": "S"},
	])
	some finding in r03_grade.findings with input as changed
	finding.params.grade == "S"
}

test_speaks_on_content_without_a_tag if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/content/tags", "value": []},
	])
	some finding in r03_grade.findings with input as changed
	finding.params.technology == "unknown"
}
