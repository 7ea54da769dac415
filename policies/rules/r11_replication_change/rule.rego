# METADATA
# title: No new copies to a place that is not proven to be ours and in Korea
# description: |
#   A change of replication, a batch job or a restore that writes copies, where it matters. Every place that it names
#   must be one of the institution's accounts' and lie in Korea, by facts read live; every account and key that it names
#   must stand in the registry. Multi-region access points are for no place.
# custom:
#   requirement: R11
#   also: [R05, R16]
#   basis: guidance
#   certainty: S
#   severity: block
#   order: 22
#   source: >-
#     Guidebook (April 2025), from public summaries; that overseas backup is technically prevented is from a press
#     draft (S).
package haechi.rules.r11_replication_change

import data.haechi.exposure
import data.haechi.facts

findings contains {
	"rule": "r11_replication_change",
	"params": {
		"container": input.destination.facts.container,
		"targets": [target | some target in change.targets; not safe(target, change)],
	},
} if {
	some change in input.request.exposures
	change.aspect == "replication"
	exposure.exposes
	not ended(change)
	not proven(change)
}

ended(change) if {
	count(change.targets) == 0
	lower(change.value) in {"off", "removed", "disabled"}
}

proven(change) if {
	change.public == false
	count(change.target_facts) > 0
	every target in change.targets {
		safe(target, change)
	}
}

safe(target, change) if {
	some place in change.target_facts
	place.target == target
	place.country in facts.home
	[input.destination.facts.provider, place.account] in facts.our_accounts
}

safe(target, _) if [input.destination.facts.provider, target] in facts.our_accounts

safe(target, _) if [input.destination.facts.provider, target] in facts.our_keys
