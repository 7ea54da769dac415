# METADATA
# title: Provider access is off by default
# description: |
#   The provider reaches nothing unless the user approved it beforehand, as in an outage. A dated statement of the
#   signed registry must be there, in force, and not older than the institution allows (attestation_max_age_days);
#   where it set no age, the statement has to name its end. Nothing here checks that it is true. That it is refused
#   is this project's default; the institution may choose otherwise.
# custom:
#   requirement: R17
#   basis: guidance
#   certainty: S
#   severity: block
#   order: 63
#   source: >-
#     Guidebook (April 2025), from public summaries (S).
package haechi.rules.r17_provider_access

import data.haechi.attested
import data.haechi.facts

findings contains {
	"rule": "r17_provider_access",
	"params": {
		"subject": "provider-access-off",
		"provider": input.destination.facts.provider,
		"role": "provider-access-off",
		"reason": attested.reason("provider-access-off", {input.destination.facts.provider}),
	},
} if {
	facts.moved
	not "provider-access-off" in attested.of_provider
}
