package haechi.tests.r30_exposure

import data.haechi.rules.r30_exposure
import data.testing

test_silent_on_the_compliant_upload if {
	count(r30_exposure.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_on_public_acl if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/request/exposures", "value": [{"aspect": "acl", "value": "public-read", "public": true, "targets": [], "target_facts": []}]},
	])
	some finding in r30_exposure.findings with input as changed
	finding.rule == "r30_exposure"
}
