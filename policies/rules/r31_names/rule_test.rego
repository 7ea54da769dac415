package haechi.tests.r31_names

import data.haechi.rules.r31_names
import data.testing

test_silent_on_the_compliant_upload if {
	count(r31_names.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_on_a_word_in_a_name if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "add", "path": "/request/words/0", "value": {"where": "key", "word": "국가핵심기술"}},
	])
	some finding in r31_names.findings with input as changed
	finding.params == {"role": "key", "word": "국가핵심기술"}
}

test_speaks_on_a_word_in_tags_that_are_set_afterwards if {
	changed := json.patch(testing.sealed_seoul, [
		{"op": "replace", "path": "/request/kind", "value": "expose"},
		{"op": "add", "path": "/request/words/0", "value": {"where": "tag", "word": "대외비"}},
	])
	some finding in r31_names.findings with input as changed
	finding.params == {"role": "tag", "word": "대외비"}
}
