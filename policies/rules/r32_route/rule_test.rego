package haechi.tests.r32_route

import data.haechi.rules.r32_route
import data.testing

test_silent_on_the_compliant_upload if {
	count(r32_route.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_on_acceleration if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/request/route/accelerated", "value": true},
	])
	some finding in r32_route.findings with input as changed
	finding.rule == "r32_route"
}
