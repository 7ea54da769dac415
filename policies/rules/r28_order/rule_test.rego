package haechi.tests.r28_order

import data.haechi.rules.r28_order
import data.testing

test_silent_on_the_compliant_upload if {
	count(r28_order.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_on_standing_order if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/registry/orders", "value": [{"id": "O-1", "kind": "prohibit", "technologies": ["SEM-01"]}]},
	])
	some finding in r28_order.findings with input as changed
	finding.rule == "r28_order"
}
