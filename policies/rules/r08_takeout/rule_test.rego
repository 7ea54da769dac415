package haechi.tests.r08_takeout

import data.haechi.rules.r08_takeout
import data.testing

test_silent_on_the_compliant_upload if {
	count(r08_takeout.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_without_an_approval if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/registry/takeouts", "value": []},
	])
	some finding in r08_takeout.findings with input as changed
	finding.params.reason == "none"
}

test_speaks_on_an_approval_for_others if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/registry/takeouts/0/covers_person", "value": false},
	])
	some finding in r08_takeout.findings with input as changed
	finding.params.reason == "person"
}

test_speaks_on_an_approval_for_other_content if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/registry/takeouts/0/covers_content", "value": false},
	])
	some finding in r08_takeout.findings with input as changed
	finding.params.reason == "content"
}

test_speaks_on_an_approval_for_another_bucket if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/registry/takeouts/0/destinations/0/container", "value": "other"},
	])
	some finding in r08_takeout.findings with input as changed
	finding.params.reason == "place"
}

test_speaks_on_an_approval_that_is_over if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/registry/takeouts/0/in_force", "value": false},
	])
	some finding in r08_takeout.findings with input as changed
	finding.params.reason == "ended"
}
