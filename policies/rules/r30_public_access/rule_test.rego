package haechi.tests.r30_public_access

import data.haechi.rules.r30_public_access
import data.testing

test_silent_on_the_compliant_upload if {
	count(r30_public_access.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_on_public_policy if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/destination/facts/public/blocked", "value": false},
		{"op": "replace", "path": "/destination/facts/public/policy_public", "value": true},
	])
	some finding in r30_public_access.findings with input as changed
	finding.rule == "r30_public_access"
}
