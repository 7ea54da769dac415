# METADATA
# title: Taking material out is approved beforehand
# description: |
#   An upload of tagged content, sealed or not, needs a take-out approval of the signed registry that is in force and
#   covers this content, this person, every technology of it and the place: all parts that the approval names
#   (provider and account always; country, region, container where given) must be those that were read live. Replicas
#   are judged by r11_replicas and owner_not_ours. That it is refused is this project's default; the institution may
#   choose otherwise.
# custom:
#   requirement: R08
#   basis: inference
#   certainty: I
#   severity: block
#   order: 36
#   source: >-
#     The Guideline: taking material out is approved beforehand (S). That an upload counts as taking out is inferred
#     here (I).
package haechi.rules.r08_takeout

import data.haechi.exports
import data.haechi.facts

findings contains {
	"rule": "r08_takeout",
	"params": {
		"technology": tag.technology,
		"container": input.destination.facts.container,
		"account": input.destination.facts.account,
		"user": input.actor.user,
		"reason": reason(tag.technology),
	},
} if {
	facts.moved
	some tag in exports.technologies
	not covered(tag.technology)
}

covered(technology) if {
	some takeout in input.registry.takeouts
	takeout.in_force == true
	takeout.covers_content == true
	takeout.covers_person == true
	technology in takeout.technologies
	some named in takeout.destinations
	is_string(named.provider)
	is_string(named.account)
	every part in ["provider", "account", "country", "region", "container"] {
		named[part] in [null, input.destination.facts[part]]
	}
}

# What comes nearest: of several approvals the one that lacks least is told.
reason(technology) := input.registry if {
	is_string(input.registry.unknown)
} else := "place" if {
	some takeout in input.registry.takeouts
	technology in takeout.technologies
	takeout.in_force == true
	takeout.covers_content == true
	takeout.covers_person == true
} else := "person" if {
	some takeout in input.registry.takeouts
	technology in takeout.technologies
	takeout.in_force == true
	takeout.covers_content == true
} else := "content" if {
	some takeout in input.registry.takeouts
	technology in takeout.technologies
	takeout.in_force == true
} else := "ended" if {
	some takeout in input.registry.takeouts
	technology in takeout.technologies
} else := "none"
