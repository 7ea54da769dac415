package haechi.tests.r03_marking

import data.haechi.rules.r03_marking
import data.testing

test_silent_on_the_compliant_upload if {
	count(r03_marking.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_without_a_time if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/content/tags/0/marked_at", "value": null},
	])
	some finding in r03_marking.findings with input as changed
	finding.params.technology == "SEM-01"
}
