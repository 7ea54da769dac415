package haechi.tests.opaque_reads_unknown

import data.haechi.rules.opaque_reads_unknown
import data.testing

unread := json.patch(testing.sealed_seoul, [
	{"op": "replace", "path": "/content/state", "value": "opaque"},
	{"op": "replace", "path": "/content/matches", "value": []},
	{"op": "replace", "path": "/content/tags", "value": []},
])

test_silent_on_the_compliant_upload if {
	count(opaque_reads_unknown.findings) == 0 with input as testing.sealed_seoul
}

test_silent_where_nothing_was_read if {
	count(opaque_reads_unknown.findings) == 0 with input as unread
}

test_speaks_of_each_unknown if {
	every who in ["process", "user"] {
		path := concat("/", ["", "reads", who])
		changed := json.patch(unread, [{"op": "replace", "path": path, "value": {"unknown": "reads-missed"}}])
		some finding in opaque_reads_unknown.findings with input as changed
		finding.params.cause == "reads-missed"
	}
}

test_speaks_where_nobody_asked if {
	every absent in [null, {}] {
		changed := json.patch(unread, [{"op": "replace", "path": "/reads", "value": absent}])
		count(opaque_reads_unknown.findings) == 1 with input as changed
	}
}

test_leaves_it_to_the_read_that_was_seen if {
	changed := json.patch(unread, [
		{"op": "replace", "path": "/reads/process", "value": {"unknown": "reads-missed"}},
		{"op": "replace", "path": "/reads/user", "value": true},
	])
	count(opaque_reads_unknown.findings) == 0 with input as changed
}
