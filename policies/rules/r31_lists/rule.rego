# METADATA
# title: Lists of what is stored stay with the institution, in Korea
# description: |
#   Inventories, access logs and event notifications carry object names and metadata, which lie outside layer 1. A
#   change that sends them to a bucket must name one of the institution's in Korea that is closed to the public, by facts
#   read live; accounts, topics, queues and functions must be of its accounts.
# custom:
#   requirement: R31
#   also: [R05, R10]
#   basis: inference
#   certainty: I
#   severity: block
#   order: 45
#   source: >-
#     R31 (names and metadata lie outside layer 1) and R05, R10 applied to lists of them (I).
package haechi.rules.r31_lists

import data.haechi.exposure
import data.haechi.facts

findings contains {
	"rule": "r31_lists",
	"params": {"container": input.destination.facts.container, "aspect": change.aspect, "target": target},
} if {
	some change in input.request.exposures
	sends(change)
	some target in change.targets
	exposure.exposes
	not stays(target, change)
}

# What cannot be read may name anything.
findings contains {
	"rule": "r31_lists",
	"params": {"container": input.destination.facts.container, "aspect": change.aspect, "target": change.public},
} if {
	some change in input.request.exposures
	change.aspect in {"inventory", "logging"}
	not change.public == false
	exposure.exposes
}

sends(change) if change.aspect in {"inventory", "logging"}

sends(change) if {
	change.aspect == "other"
	change.value == "notification"
}

stays(target, change) if {
	some place in change.target_facts
	place.target == target
	place.country in facts.home
	[input.destination.facts.provider, place.account] in facts.our_accounts
	exposure.closed(place.public)
}

stays(target, _) if [input.destination.facts.provider, target] in facts.our_accounts

# arn:partition:service:region:account:resource. A bucket's names no account, so that its facts must speak.
stays(target, _) if {
	parts := split(target, ":")
	parts[0] == "arn"
	[input.destination.facts.provider, parts[4]] in facts.our_accounts
}
