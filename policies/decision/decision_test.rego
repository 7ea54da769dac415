package haechi.tests.decision

import data.haechi.decision
import data.testing

test_nothing_against_the_compliant_upload if {
	decision.decision == {"schema": "haechi.decision/1", "findings": []} with input as testing.sealed_seoul
}

test_undefined_for_nothing if {
	not decision.decision with input as {}
}

test_undefined_for_another_schema if {
	changed := object.union(testing.sealed_seoul, {"schema": "haechi.input/2"})
	not decision.decision with input as changed
}
