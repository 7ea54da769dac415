package haechi.tests.r12_operators

import data.haechi.rules.r12_operators
import data.testing

test_silent_on_the_compliant_upload if {
	count(r12_operators.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_without_a_statement if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "remove", "path": "/registry/attestations/0"},
	])
	some finding in r12_operators.findings with input as changed
	finding.params == {"subject": "operations-personnel-in-korea", "role": "operations-personnel-in-korea", "provider": "aws", "reason": "none"}
}

test_speaks_on_a_statement_that_ended if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/registry/attestations/0/in_force", "value": false},
	])
	some finding in r12_operators.findings with input as changed
	finding.params.reason == "ended"
}

test_speaks_on_a_statement_without_a_day if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/registry/attestations/0/age_days", "value": null},
	])
	some finding in r12_operators.findings with input as changed
	finding.params.reason == "ended"
}

test_speaks_on_a_statement_about_another_provider if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/registry/attestations/0/provider", "value": "gcp"},
	])
	some finding in r12_operators.findings with input as changed
	finding.params.reason == "none"
}

test_its_age_is_the_institutions if {
	some finding in r12_operators.findings with input as testing.sealed_seoul
		with data.choices.attestation_max_age_days.value as {"default": null, "subjects": {"operations-personnel-in-korea": 59}}
	finding.params.reason == "old"
}

test_within_the_limit if {
	count(r12_operators.findings) == 0 with input as testing.sealed_seoul
		with data.choices.attestation_max_age_days.value as {"default": 60, "subjects": {}}
}

test_speaks_on_a_statement_without_an_end if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/registry/attestations/0/ends", "value": false},
	])
	some finding in r12_operators.findings with input as changed
	finding.params.reason == "endless"
}

test_an_age_that_the_institution_set_is_an_end if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/registry/attestations/0/ends", "value": false},
	])
	count(r12_operators.findings) == 0 with input as changed
		with data.choices.attestation_max_age_days.value as {"default": 60, "subjects": {}}
}
