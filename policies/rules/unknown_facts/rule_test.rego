package haechi.tests.unknown_facts

import data.haechi.rules.unknown_facts
import data.testing

test_silent_on_the_compliant_upload if {
	count(unknown_facts.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_on_unknown_country if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/destination/facts/country", "value": {"unknown": "x"}},
	])
	some finding in unknown_facts.findings with input as changed
	finding.rule == "unknown_facts"
}
