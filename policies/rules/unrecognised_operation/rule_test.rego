package haechi.tests.unrecognised_operation

import data.haechi.rules.unrecognised_operation
import data.testing

test_silent_on_the_compliant_upload if {
	count(unrecognised_operation.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_on_unrecognised if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/request/kind", "value": "unrecognised"},
	])
	some finding in unrecognised_operation.findings with input as changed
	finding.rule == "unrecognised_operation"
}
