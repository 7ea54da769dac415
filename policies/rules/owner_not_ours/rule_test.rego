package haechi.tests.owner_not_ours

import data.haechi.rules.owner_not_ours
import data.testing

test_silent_on_the_compliant_upload if {
	count(owner_not_ours.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_on_foreign_account if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/destination/facts/account", "value": "999999999999"},
	])
	some finding in owner_not_ours.findings with input as changed
	finding.rule == "owner_not_ours"
}

test_speaks_on_unknown_account if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/destination/facts/account", "value": {"unknown": "x"}},
	])
	some finding in owner_not_ours.findings with input as changed
	finding.rule == "owner_not_ours"
}
