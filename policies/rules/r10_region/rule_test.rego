package haechi.tests.r10_region

import data.haechi.rules.r10_region
import data.testing

test_silent_on_the_compliant_upload if {
	count(r10_region.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_on_tokyo if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/destination/facts/country", "value": "JP"},
	])
	some finding in r10_region.findings with input as changed
	finding.rule == "r10_region"
}

test_speaks_on_unknown_country if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/destination/facts/country", "value": {"unknown": "x"}},
	])
	some finding in r10_region.findings with input as changed
	finding.rule == "r10_region"
}
