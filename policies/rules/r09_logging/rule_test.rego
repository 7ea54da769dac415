package haechi.tests.r09_logging

import data.haechi.rules.r09_logging
import data.testing

test_silent_on_the_compliant_upload if {
	count(r09_logging.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_on_logging_off if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/destination/facts/logging", "value": "off"},
	])
	some finding in r09_logging.findings with input as changed
	finding.params.logging == "off"
}

test_speaks_on_logging_unknown if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/destination/facts/logging", "value": {"unknown": "access-denied"}},
	])
	some finding in r09_logging.findings with input as changed
	finding.params.logging.unknown == "access-denied"
}
