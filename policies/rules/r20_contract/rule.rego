# METADATA
# title: Responsibilities are divided by contract
# description: |
#   The contract divides the responsibilities of user and provider and controls external staff. A dated statement of
#   the signed registry must be there, in force, and not older than the institution allows
#   (attestation_max_age_days); where it set no age, the statement has to name its end. Nothing here checks that it
#   is true. That it is recorded and not refused is this project's default; the institution may choose otherwise.
# custom:
#   requirement: R20
#   basis: guidance
#   certainty: S
#   severity: log
#   order: 93
#   source: >-
#     Guidebook (April 2025), from public summaries (S).
package haechi.rules.r20_contract

import data.haechi.attested
import data.haechi.facts

findings contains {
	"rule": "r20_contract",
	"params": {
		"subject": "responsibilities-divided",
		"provider": input.destination.facts.provider,
		"role": "responsibilities-divided",
		"reason": attested.reason("responsibilities-divided", {input.destination.facts.provider}),
	},
} if {
	facts.moved
	not "responsibilities-divided" in attested.of_provider
}
