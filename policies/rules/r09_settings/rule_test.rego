package haechi.tests.r09_settings

import data.haechi.rules.r09_settings
import data.testing

test_silent_on_the_compliant_upload if {
	count(r09_settings.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_on_suspended_versioning if {
	changed := json.patch(testing.sealed_seoul, [{
		"op": "replace",
		"path": "/request/exposures",
		"value": [{"aspect": "versioning", "value": "Suspended", "public": false, "targets": [], "target_facts": []}],
	}])
	some finding in r09_settings.findings with input as changed
	finding.params.reason == "versioning"
}
