package haechi.tests.r24_approval

import data.haechi.rules.r24_approval
import data.testing

test_silent_on_the_compliant_upload if {
	count(r24_approval.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_on_government_funding_without_approval if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/destination/facts/country", "value": "JP"},
	])
	some finding in r24_approval.findings with input as changed
	finding.rule == "r24_approval"
}
