package haechi.tests.r13_layer1

import data.haechi.rules.r13_layer1
import data.testing

test_silent_on_the_compliant_upload if {
	count(r13_layer1.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_on_plain_content if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/content/sealed", "value": false},
		{"op": "replace", "path": "/content/matches/0/how", "value": "exact"},
	])
	some finding in r13_layer1.findings with input as changed
	finding.rule == "r13_layer1"
}
