package haechi.tests.r30_ways

import data.haechi.rules.r30_ways
import data.testing

changed(way, value) := json.patch(testing.sealed_seoul, [
	{"op": "replace", "path": concat("/", ["", "destination/facts/ways", way]), "value": value},
])

test_silent_on_the_compliant_upload if {
	count(r30_ways.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_on_every_open_way if {
	every way in ["sftp", "nfs"] {
		some finding in r30_ways.findings with input as changed(way, true)
		finding.params.way == way
	}
}

test_unknown_is_not_closed if {
	some finding in r30_ways.findings with input as changed("sftp", {"unknown": "access-denied"})
	finding.params.open == {"unknown": "access-denied"}
}

test_leaves_what_no_api_tells_to_the_other_rule if {
	count(r30_ways.findings) == 0 with input as changed("nfs", {"unknown": "not-supported"})
}

test_facts_without_ways_are_not_closed if {
	changed_ := json.patch(testing.sealed_seoul, [{"op": "remove", "path": "/destination/facts/ways"}])
	count(r30_ways.findings) == 2 with input as changed_
}
