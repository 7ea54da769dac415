# METADATA
# title: No new copies to a place that may not hold them
# description: |
#   A change of replication, a batch job or a restore that writes copies, where it matters. Every place that it names
#   must be one that an upload might go to, by facts read live: of the institution's accounts, in Korea, closed to
#   the public, under its approved key, and without replicas elsewhere; every account and key that it names must stand
#   in the registry. Multi-region access points are for no place.
# custom:
#   requirement: R11
#   also: [R05, R15, R16, R30]
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
	exposure.closed(place.public)
	place.encryption.mode in {"kms", "kms-dual"}
	under_our_key(place.encryption.key)
	is_array(place.replicas)
	every replica in place.replicas {
		replica.country in facts.home
		[input.destination.facts.provider, replica.account] in facts.our_accounts
	}
}

safe(target, _) if [input.destination.facts.provider, target] in facts.our_accounts

safe(target, _) if [input.destination.facts.provider, target] in facts.our_keys

# As r15_key_custody and r16_key_location ask it of an upload.
under_our_key(key) if {
	key.manager == "customer"
	key.multi_region == false
	key.country in facts.home
	[input.destination.facts.provider, key.account] in facts.our_accounts
	approved(key)
}

approved(key) if [input.destination.facts.provider, key.id] in facts.our_keys

approved(key) if {
	data.choices.approved_keys_only.value == false
	key.origin == "AWS_KMS"
}
