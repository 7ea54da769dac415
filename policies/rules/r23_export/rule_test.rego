package haechi.tests.r23_export

import data.haechi.rules.r23_export
import data.testing

test_silent_on_the_compliant_upload if {
	count(r23_export.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_on_tokyo if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/destination/facts/country", "value": "JP"},
	])
	some finding in r23_export.findings with input as changed
	finding.rule == "r23_export"
}
