package haechi.tests.r15_key_custody

import data.haechi.rules.r15_key_custody
import data.testing

test_silent_on_the_compliant_upload if {
	count(r15_key_custody.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_on_providers_key if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/encryption/key/manager", "value": "provider"},
	])
	some finding in r15_key_custody.findings with input as changed
	finding.rule == "r15_key_custody"
}

test_speaks_on_unlisted_key if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/registry/keys", "value": []},
	])
	some finding in r15_key_custody.findings with input as changed
	finding.rule == "r15_key_custody"
}
