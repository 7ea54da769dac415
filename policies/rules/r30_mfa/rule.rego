# METADATA
# title: Access takes more than one factor
# description: |
#   Those who can reach the content at the provider sign in with more than one factor; the request itself does not
#   show it. A dated statement of the signed registry must be there, in force, and not older than the institution
#   allows (attestation_max_age_days); where it set no age, the statement has to name its end. Nothing here checks
#   that it is true. That it is recorded and not refused is this project's default; the institution may choose
#   otherwise.
# custom:
#   requirement: R30
#   basis: inference
#   certainty: I
#   severity: log
#   order: 96
#   source: >-
#     In the spirit of Decree Art. 14(3)(4) (I).
package haechi.rules.r30_mfa

import data.haechi.attested
import data.haechi.facts

findings contains {
	"rule": "r30_mfa",
	"params": {
		"subject": "multi-factor-authentication",
		"provider": input.destination.facts.provider,
		"role": "multi-factor-authentication",
		"reason": attested.reason("multi-factor-authentication", {null, input.destination.facts.provider}),
	},
} if {
	facts.moved
	not "multi-factor-authentication" in attested.of_institution
}
