# METADATA
# title: Operations personnel are in Korea
# description: |
#   Those who run the provider's system are physically in Korea, by the provider's own dated statement. The
#   provider's nationality is no reason for or against. A dated statement of the signed registry must be there, in
#   force, and not older than the institution allows (attestation_max_age_days); where it set no age, the statement
#   has to name its end. Nothing here checks that it is true. That it is refused is this project's default; the
#   institution may choose otherwise.
# custom:
#   requirement: R12
#   basis: guidance
#   certainty: S
#   severity: block
#   order: 62
#   source: >-
#     Guidebook (April 2025), from public summaries (S).
package haechi.rules.r12_operators

import data.haechi.attested
import data.haechi.facts

findings contains {
	"rule": "r12_operators",
	"params": {
		"subject": "operations-personnel-in-korea",
		"provider": input.destination.facts.provider,
		"role": "operations-personnel-in-korea",
		"reason": attested.reason("operations-personnel-in-korea", {input.destination.facts.provider}),
	},
} if {
	facts.moved
	not "operations-personnel-in-korea" in attested.of_provider
}
