# METADATA
# title: Every access of the provider is recorded
# description: |
#   The provider's own accesses are on record for the user. A dated statement of the signed registry must be there,
#   in force, and not older than the institution allows (attestation_max_age_days); where it set no age, the
#   statement has to name its end. Nothing here checks that it is true. Without the record nobody sees whether
#   r17_provider_access is kept, so it is refused too: this project's default; the institution may choose otherwise.
# custom:
#   requirement: R18
#   basis: guidance
#   certainty: S
#   severity: block
#   order: 64
#   source: >-
#     Guidebook (April 2025), from public summaries (S).
package haechi.rules.r18_provider_records

import data.haechi.attested
import data.haechi.facts

findings contains {
	"rule": "r18_provider_records",
	"params": {
		"subject": "provider-access-recorded",
		"provider": input.destination.facts.provider,
		"role": "provider-access-recorded",
		"reason": attested.reason("provider-access-recorded", {input.destination.facts.provider}),
	},
} if {
	facts.moved
	not "provider-access-recorded" in attested.of_provider
}
