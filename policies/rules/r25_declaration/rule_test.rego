package haechi.tests.r25_declaration

import data.haechi.rules.r25_declaration
import data.testing

test_silent_on_the_compliant_upload if {
	count(r25_declaration.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_on_private_funding_without_declaration if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/destination/facts/country", "value": "JP"},
		{"op": "replace", "path": "/content/tags/0/funding", "value": "private"},
	])
	some finding in r25_declaration.findings with input as changed
	finding.rule == "r25_declaration"
}
