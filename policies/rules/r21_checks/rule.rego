# METADATA
# title: Periodic checks and real-time monitoring
# description: |
#   Periodic checks, training, risk management and audit take place, and the cloud is monitored in real time. A dated
#   statement of the signed registry must be there, in force, and not older than the institution allows
#   (attestation_max_age_days); where it set no age, the statement has to name its end. Nothing here checks that it
#   is true. That it is recorded and not refused is this project's default; the institution may choose otherwise.
# custom:
#   requirement: R21
#   basis: guidance
#   certainty: S
#   severity: log
#   order: 94
#   source: >-
#     Guidebook (April 2025), from public summaries (S).
package haechi.rules.r21_checks

import data.haechi.attested
import data.haechi.facts

findings contains {
	"rule": "r21_checks",
	"params": {
		"subject": subject,
		"provider": input.destination.facts.provider,
		"role": subject,
		"reason": attested.reason(subject, {null, input.destination.facts.provider}),
	},
} if {
	facts.moved
	some subject in ["periodic-check", "real-time-monitoring"]
	not subject in attested.of_institution
}
