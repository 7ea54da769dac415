package haechi.tests.r18_provider_records

import data.haechi.rules.r18_provider_records
import data.testing

test_silent_on_the_compliant_upload if {
	count(r18_provider_records.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_without_a_statement if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "remove", "path": "/registry/attestations/2"},
	])
	some finding in r18_provider_records.findings with input as changed
	finding.params == {"subject": "provider-access-recorded", "role": "provider-access-recorded", "provider": "aws", "reason": "none"}
}

test_speaks_on_a_statement_that_ended if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/registry/attestations/2/in_force", "value": false},
	])
	some finding in r18_provider_records.findings with input as changed
	finding.params.reason == "ended"
}

test_speaks_on_a_statement_without_a_day if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/registry/attestations/2/age_days", "value": null},
	])
	some finding in r18_provider_records.findings with input as changed
	finding.params.reason == "ended"
}

test_speaks_on_a_statement_about_another_provider if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/registry/attestations/2/provider", "value": "gcp"},
	])
	some finding in r18_provider_records.findings with input as changed
	finding.params.reason == "none"
}

test_its_age_is_the_institutions if {
	some finding in r18_provider_records.findings with input as testing.sealed_seoul
		with data.choices.attestation_max_age_days.value as {"default": null, "subjects": {"provider-access-recorded": 59}}
	finding.params.reason == "old"
}

test_within_the_limit if {
	count(r18_provider_records.findings) == 0 with input as testing.sealed_seoul
		with data.choices.attestation_max_age_days.value as {"default": 60, "subjects": {}}
}
