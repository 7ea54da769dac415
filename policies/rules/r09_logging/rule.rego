# METADATA
# title: History is kept where the content lies
# description: |
#   Access logging of the container must be proven to be on. That it is recorded and not refused is this project's
#   default; the institution may choose otherwise.
# custom:
#   requirement: R09
#   basis: guidance
#   certainty: S
#   severity: log
#   order: 83
#   source: >-
#     The Guideline: history is kept and reviewed (S). That the store's access log is such a history is this
#     project's reading (I).
package haechi.rules.r09_logging

import data.haechi.facts

findings contains {
	"rule": "r09_logging",
	"params": {"container": input.destination.facts.container, "logging": input.destination.facts.logging},
} if {
	facts.moved
	not logged
}

# A fact that was not told at all.
findings contains {
	"rule": "r09_logging",
	"params": {"container": input.destination.facts.container, "logging": {"unknown": "not-read"}},
} if {
	facts.moved
	object.get(input.destination.facts, "logging", null) == null
}

logged if {
	is_string(input.destination.facts.logging)
	not input.destination.facts.logging in {"", "off"}
}
