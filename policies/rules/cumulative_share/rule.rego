# METADATA
# title: Pieces of one file do not add up unseen
# description: |
#   Pieces of one protected file, in the clear, that one user sent to one container over 30 days, this one included, add
#   up to more than cumulative_share_limit in data.yaml. What was sent twice counts twice; what is not known counts as
#   more. A whole file, and what is sealed, is for the other rules.
# custom:
#   requirement: haechi
#   basis: inference
#   certainty: I
#   severity: log
#   order: 87
#   source: >-
#     This project's caution: many small pieces are the file. No document says it; share and days are this project's
#     choice. Pieces in the clear are refused by r13_layer1 already, so that by default this only says what adds up.
package haechi.rules.cumulative_share

import data.haechi.facts

findings contains {
	"rule": "cumulative_share",
	"params": {
		"name": match.name,
		"container": input.destination.facts.container,
		"user": input.actor.user,
		"limit": limit,
		"reason": reason(match.cumulative_share),
	},
} if {
	facts.moved
	some match in input.content.matches
	match.how == "partial"
	not few(match)
}

few(match) if {
	is_number(match.cumulative_share)
	match.cumulative_share <= limit
}

# The number itself is not told: the engines write 1 and 1.0 differently.
reason(share) := "exceeded" if {
	is_number(share)
} else := share

default limit := 0

limit := data.choices.cumulative_share_limit.value
