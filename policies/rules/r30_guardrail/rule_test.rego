package haechi.tests.r30_guardrail

import data.haechi.rules.r30_guardrail
import data.testing

test_silent_on_the_compliant_upload if {
	count(r30_guardrail.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_on_blocks_off if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/destination/facts/public/blocked", "value": false},
	])
	some finding in r30_guardrail.findings with input as changed
	finding.rule == "r30_guardrail"
}
