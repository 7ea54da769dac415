package haechi.tests.opaque_after_read

import data.haechi.rules.opaque_after_read
import data.testing

unread := json.patch(testing.sealed_seoul, [
	{"op": "replace", "path": "/content/state", "value": "opaque"},
	{"op": "replace", "path": "/content/matches", "value": []},
	{"op": "replace", "path": "/content/tags", "value": []},
])

read_by(who) := json.patch(unread, [{"op": "replace", "path": concat("/", ["", "reads", who]), "value": true}])

test_silent_on_the_compliant_upload if {
	count(opaque_after_read.findings) == 0 with input as testing.sealed_seoul
}

test_silent_where_nothing_was_read if {
	count(opaque_after_read.findings) == 0 with input as unread
}

test_speaks_of_process_and_user if {
	every who in ["process", "user"] {
		some finding in opaque_after_read.findings with input as read_by(who)
		finding.params.by == who
	}
}

test_silent_on_what_was_read_into if {
	changed := json.patch(testing.sealed_seoul, [{"op": "replace", "path": "/reads/user", "value": true}])
	count(opaque_after_read.findings) == 0 with input as changed
}
