package haechi.tests.r07_storage_encryption

import data.haechi.rules.r07_storage_encryption
import data.testing

test_silent_on_the_compliant_upload if {
	count(r07_storage_encryption.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_on_plain_and_unencrypted if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/content/sealed", "value": false},
		{"op": "replace", "path": "/content/matches/0/how", "value": "exact"},
		{"op": "replace", "path": "/encryption", "value": {"mode": "none", "key": null}},
	])
	some finding in r07_storage_encryption.findings with input as changed
	finding.rule == "r07_storage_encryption"
}
