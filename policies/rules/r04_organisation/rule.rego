# METADATA
# title: Security rules, a manager and security staff stand
# description: |
#   Security rules exist, and a manager for national core technology and dedicated security staff are named. A dated
#   statement of the signed registry must be there, in force, and not older than the institution allows
#   (attestation_max_age_days); where it set no age, the statement has to name its end. Nothing here checks that it
#   is true. That it is recorded and not refused is this project's default; the institution may choose otherwise.
# custom:
#   requirement: R04
#   basis: statute
#   certainty: Q
#   severity: log
#   order: 90
#   source: >-
#     Decree Art. 14(1)(2) (Q).
package haechi.rules.r04_organisation

import data.haechi.attested
import data.haechi.facts

findings contains {
	"rule": "r04_organisation",
	"params": {
		"subject": subject,
		"provider": input.destination.facts.provider,
		"role": subject,
		"reason": attested.reason(subject, {null, input.destination.facts.provider}),
	},
} if {
	facts.moved
	some subject in ["security-rules", "nct-manager", "security-staff"]
	not subject in attested.of_institution
}
