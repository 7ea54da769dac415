# METADATA
# title: No new copies to a place that is not proven to be in Korea
# description: |
#   A change of replication on a place that holds tagged content or belongs to the institution. A request names
#   the target, not where it lies, so it is not proven to be in Korea.
# custom:
#   requirement: R11
#   basis: guidance
#   certainty: S
#   severity: block
#   source: >-
#     Guidebook (April 2025), from public summaries; that overseas backup is technically prevented is from a press
#     draft (S).
package haechi.rules.r11_replication_change

import data.haechi.facts

findings contains {
	"rule": "r11_replication_change",
	"params": {"container": input.destination.facts.container, "targets": change.targets},
} if {
	facts.exposes
	some change in input.request.exposures
	change.aspect == "replication"
	not ended(change)
}

ended(change) if {
	count(change.targets) == 0
	lower(change.value) in {"off", "removed", "disabled"}
}
