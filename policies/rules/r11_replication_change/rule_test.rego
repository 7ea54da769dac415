package haechi.tests.r11_replication_change

import data.haechi.rules.r11_replication_change
import data.testing

test_silent_on_the_compliant_upload if {
	count(r11_replication_change.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_on_new_replication if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/request/exposures", "value": [{"aspect": "replication", "value": "Enabled", "public": false, "targets": ["arn:aws:s3:::x"], "target_facts": []}]},
	])
	some finding in r11_replication_change.findings with input as changed
	finding.rule == "r11_replication_change"
}
