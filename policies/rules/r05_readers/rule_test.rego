package haechi.tests.r05_readers

import data.haechi.rules.r05_readers
import data.testing

test_silent_on_the_compliant_upload if {
	count(r05_readers.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_on_another_account if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/request/exposures", "value": [{"aspect": "acl", "value": "", "public": false, "targets": ["999999999999"], "target_facts": []}]},
	])
	some finding in r05_readers.findings with input as changed
	finding.rule == "r05_readers"
}
