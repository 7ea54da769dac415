package haechi.tests.opaque

import data.haechi.rules.opaque
import data.testing

test_silent_on_the_compliant_upload if {
	count(opaque.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_on_opaque_content if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/content/state", "value": "opaque"},
		{"op": "replace", "path": "/content/matches", "value": []},
		{"op": "replace", "path": "/content/tags", "value": []},
	])
	some finding in opaque.findings with input as changed
	finding.rule == "opaque"
}
