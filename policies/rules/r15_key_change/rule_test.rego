package haechi.tests.r15_key_change

import data.haechi.rules.r15_key_change
import data.testing

test_silent_on_the_compliant_upload if {
	count(r15_key_change.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_on_default_encryption_taken_away if {
	changed := json.patch(testing.sealed_seoul, [{
		"op": "replace",
		"path": "/request/exposures",
		"value": [{"aspect": "encryption", "value": "removed", "public": false, "targets": [], "target_facts": []}],
	}])
	some finding in r15_key_change.findings with input as changed
	finding.params.reason == "removed"
}
