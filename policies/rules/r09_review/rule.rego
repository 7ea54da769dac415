# METADATA
# title: History is reviewed
# description: |
#   Somebody looks through the history that is kept. A dated statement of the signed registry must be there, in
#   force, and not older than the institution allows (attestation_max_age_days); where it set no age, the statement
#   has to name its end. Nothing here checks that it is true. That it is recorded and not refused is this project's
#   default; the institution may choose otherwise.
# custom:
#   requirement: R09
#   basis: guidance
#   certainty: S
#   severity: log
#   order: 91
#   source: >-
#     The Guideline: history is kept and reviewed (S).
package haechi.rules.r09_review

import data.haechi.attested
import data.haechi.facts

findings contains {
	"rule": "r09_review",
	"params": {
		"subject": "history-review",
		"provider": input.destination.facts.provider,
		"role": "history-review",
		"reason": attested.reason("history-review", {null, input.destination.facts.provider}),
	},
} if {
	facts.moved
	not "history-review" in attested.of_institution
}
