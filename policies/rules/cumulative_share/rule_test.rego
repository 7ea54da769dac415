package haechi.tests.cumulative_share

import data.haechi.rules.cumulative_share
import data.testing

sent(how, share) := json.patch(testing.sealed_seoul, [
	{"op": "replace", "path": "/content/matches/0/how", "value": how},
	{"op": "replace", "path": "/content/matches/0/share", "value": 0.1},
	{"op": "replace", "path": "/content/matches/0/cumulative_share", "value": share},
])

test_silent_on_the_compliant_upload if {
	count(cumulative_share.findings) == 0 with input as testing.sealed_seoul
}

test_speaks_on_pieces_that_add_up if {
	some finding in cumulative_share.findings with input as sent("partial", 0.6)
	finding.params.reason == "exceeded"
}

test_speaks_where_nobody_knows_what_was_sent if {
	count(cumulative_share.findings) == 1 with input as sent("partial", {"unknown": "ledger-locked"})
}

test_silent_on_a_small_piece if {
	count(cumulative_share.findings) == 0 with input as sent("partial", 0.5)
}

test_silent_on_what_is_sealed if {
	count(cumulative_share.findings) == 0 with input as sent("sealed", 1)
}

test_the_share_is_the_institutions_choice if {
	count(cumulative_share.findings) == 1 with input as sent("partial", 0.2)
		with data.choices.cumulative_share_limit.value as 0.1
}
