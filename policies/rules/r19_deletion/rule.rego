# METADATA
# title: Deletion at the contract's end is agreed
# description: |
#   At the end of the contract the provider deletes irrecoverably and proves it. A dated statement of the signed
#   registry must be there, in force, and not older than the institution allows (attestation_max_age_days); where it
#   set no age, the statement has to name its end. Nothing here checks that it is true. That it is recorded and not
#   refused is this project's default; the institution may choose otherwise.
# custom:
#   requirement: R19
#   basis: guidance
#   certainty: S
#   severity: log
#   order: 92
#   source: >-
#     Guidebook (April 2025), from public summaries (S).
package haechi.rules.r19_deletion

import data.haechi.attested
import data.haechi.facts

findings contains {
	"rule": "r19_deletion",
	"params": {
		"subject": "deletion-at-contract-end",
		"provider": input.destination.facts.provider,
		"role": "deletion-at-contract-end",
		"reason": attested.reason("deletion-at-contract-end", {input.destination.facts.provider}),
	},
} if {
	facts.moved
	not "deletion-at-contract-end" in attested.of_provider
}
