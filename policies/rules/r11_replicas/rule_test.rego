package haechi.tests.r11_replicas

import data.haechi.rules.r11_replicas
import data.testing

test_silent_on_the_compliant_upload if {
	count(r11_replicas.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_on_unreadable_replication if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/destination/facts/replicas", "value": {"unknown": "x"}},
	])
	some finding in r11_replicas.findings with input as changed
	finding.rule == "r11_replicas"
}
