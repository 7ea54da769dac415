package haechi.tests.names_disagree

import data.haechi.rules.names_disagree
import data.testing

test_silent_on_the_compliant_upload if {
	count(names_disagree.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_on_disagreement if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/request/consistent", "value": false},
	])
	some finding in names_disagree.findings with input as changed
	finding.rule == "names_disagree"
}
