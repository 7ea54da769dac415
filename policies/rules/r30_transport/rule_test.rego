package haechi.tests.r30_transport

import data.haechi.rules.r30_transport
import data.testing

test_silent_on_the_compliant_upload if {
	count(r30_transport.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_on_plain_http if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/request/scheme", "value": "http"},
	])
	some finding in r30_transport.findings with input as changed
	finding.rule == "r30_transport"
}
