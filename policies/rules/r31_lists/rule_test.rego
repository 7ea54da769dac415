package haechi.tests.r31_lists

import data.haechi.rules.r31_lists
import data.testing

test_silent_on_the_compliant_upload if {
	count(r31_lists.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_on_an_inventory_for_another_account if {
	changed := json.patch(testing.sealed_seoul, [{
		"op": "replace",
		"path": "/request/exposures",
		"value": [{"aspect": "inventory", "value": "", "public": false, "targets": ["999999999999"], "target_facts": []}],
	}])
	some finding in r31_lists.findings with input as changed
	finding.params.target == "999999999999"
}
