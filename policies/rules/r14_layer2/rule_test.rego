package haechi.tests.r14_layer2

import data.haechi.rules.r14_layer2
import data.testing

test_silent_on_the_compliant_upload if {
	count(r14_layer2.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_on_no_encryption if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/encryption", "value": {"mode": "none", "key": null}},
	])
	some finding in r14_layer2.findings with input as changed
	finding.rule == "r14_layer2"
}
