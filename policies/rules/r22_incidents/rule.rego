# METADATA
# title: An incident response system exists
# description: |
#   Who does what in an incident is laid down. A dated statement of the signed registry must be there, in force, and
#   not older than the institution allows (attestation_max_age_days); where it set no age, the statement has to name
#   its end. Nothing here checks that it is true. That it is recorded and not refused is this project's default; the
#   institution may choose otherwise.
# custom:
#   requirement: R22
#   basis: statute
#   certainty: Q
#   severity: log
#   order: 95
#   source: >-
#     Decree Art. 14(7) (Q).
package haechi.rules.r22_incidents

import data.haechi.attested
import data.haechi.facts

findings contains {
	"rule": "r22_incidents",
	"params": {
		"subject": "incident-response",
		"provider": input.destination.facts.provider,
		"role": "incident-response",
		"reason": attested.reason("incident-response", {null, input.destination.facts.provider}),
	},
} if {
	facts.moved
	not "incident-response" in attested.of_institution
}
