package haechi.tests.r27_exemption

import data.haechi.rules.r27_exemption
import data.testing

test_silent_on_the_compliant_upload if {
	count(r27_exemption.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_on_a_basis_that_nobody_relies_on if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/destination/facts/country", "value": "JP"},
		{"op": "add", "path": "/registry/exemptions/0", "value": {"id": "E-1", "in_force": true, "covers_content": true, "technologies": ["SEM-01"], "destinations": [{"provider": null, "country": "JP", "region": null, "container": null, "account": null}], "basis": "convenience", "evidence": "none"}},
	])
	some finding in r27_exemption.findings with input as changed
	finding.params.reason == "basis"
}

test_speaks_without_evidence if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/destination/facts/country", "value": "JP"},
		{"op": "add", "path": "/registry/exemptions/0", "value": {"id": "E-1", "in_force": true, "covers_content": true, "technologies": ["SEM-01"], "destinations": [{"provider": null, "country": "JP", "region": null, "container": null, "account": null}], "basis": "public-seminar", "evidence": " "}},
	])
	some finding in r27_exemption.findings with input as changed
	finding.params.reason == "evidence"
}
