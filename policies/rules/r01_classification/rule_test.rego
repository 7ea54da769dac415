package haechi.tests.r01_classification

import data.haechi.rules.r01_classification
import data.testing

test_silent_on_the_compliant_upload if {
	count(r01_classification.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_on_what_waits_for_determination if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/content/tags/0/technology", "value": "OFFICIAL-PENDING"},
	])
	some finding in r01_classification.findings with input as changed
	finding.params.reason == "pending"
}

test_speaks_on_a_technology_that_the_notice_does_not_have if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/content/tags/0/technology", "value": "SEM-99"},
	])
	some finding in r01_classification.findings with input as changed
	finding.params.reason == "not-in-notice"
}
