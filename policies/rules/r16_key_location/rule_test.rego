package haechi.tests.r16_key_location

import data.haechi.rules.r16_key_location
import data.testing

test_silent_on_the_compliant_upload if {
	count(r16_key_location.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_on_key_abroad if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/encryption/key/country", "value": "JP"},
	])
	some finding in r16_key_location.findings with input as changed
	finding.rule == "r16_key_location"
}

test_speaks_on_multi_region if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/encryption/key/multi_region", "value": true},
	])
	some finding in r16_key_location.findings with input as changed
	finding.rule == "r16_key_location"
}
