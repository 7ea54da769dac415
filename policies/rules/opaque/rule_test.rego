package haechi.tests.opaque

import data.haechi.rules.opaque
import data.testing

test_silent_on_the_compliant_upload if {
	count(opaque.findings) == 0 with input as testing.sealed_seoul
}

unread := json.patch(testing.sealed_seoul, [
	{"op": "replace", "path": "/content/state", "value": "opaque"},
	{"op": "replace", "path": "/content/matches", "value": []},
	{"op": "replace", "path": "/content/tags", "value": []},
])

test_speaks_on_opaque_content if {
	some finding in opaque.findings with input as unread
	finding.rule == "opaque"
}

test_leaves_it_to_others_where_tagged_content_was_read if {
	every read in [true, {"unknown": "reads-not-watched"}] {
		changed := json.patch(unread, [{"op": "replace", "path": "/reads/user", "value": read}])
		count(opaque.findings) == 0 with input as changed
	}
}
