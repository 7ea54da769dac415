# METADATA
# title: Backups abroad are technically prevented
# description: |
#   Replicas and backups abroad are prevented by something stronger than a rule, such as a policy of the
#   organisation's accounts, which a look at one container does not show. A dated statement of the signed registry
#   must be there, in force, and not older than the institution allows (attestation_max_age_days); where it set no
#   age, the statement has to name its end. Nothing here checks that it is true. That it is refused is this project's
#   default; the institution may choose otherwise.
# custom:
#   requirement: R11
#   basis: guidance
#   certainty: S
#   severity: block
#   order: 65
#   source: >-
#     A press draft of the guidebook (S): backup abroad is technically prevented.
package haechi.rules.r11_prevention

import data.haechi.attested
import data.haechi.facts

findings contains {
	"rule": "r11_prevention",
	"params": {
		"subject": "overseas-backup-prevented",
		"provider": input.destination.facts.provider,
		"role": "overseas-backup-prevented",
		"reason": attested.reason("overseas-backup-prevented", {null, input.destination.facts.provider}),
	},
} if {
	facts.moved
	not "overseas-backup-prevented" in attested.of_institution
}
