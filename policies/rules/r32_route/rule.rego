# METADATA
# title: The way stays in Korea
# description: |
#   Accelerated endpoints and multi-region access points take the bytes through places that nobody can tell
#   beforehand; turning acceleration on does so for every later request. An endpoint of a region abroad takes in the
#   bytes for a container in Korea over there; one that names no region may stand anywhere. An institution may accept
#   the latter for sealed content (choices.sealed_through_global_endpoints); plain content is refused by R13 in any case.
# custom:
#   requirement: R32
#   also: [R10]
#   basis: inference
#   certainty: I
#   severity: block
#   order: 42
#   source: >-
#     R10 extended to acceleration, global routing and endpoints abroad (I).
package haechi.rules.r32_route

import data.haechi.exposure
import data.haechi.facts

findings contains {
	"rule": "r32_route",
	"params": {"host": input.request.host, "container": input.destination.facts.container, "reason": "accelerated"},
} if {
	not input.request.route.accelerated == false
	facts.moved
}

findings contains {
	"rule": "r32_route",
	"params": {"host": input.request.host, "container": input.destination.facts.container, "reason": "multi-region"},
} if {
	not input.request.route.multi_region == false
	facts.moved
}

# Of a container that is not in Korea itself, r10_region speaks.
findings contains {
	"rule": "r32_route",
	"params": {
		"host": input.request.host,
		"container": input.destination.facts.container,
		"region": input.destination.facts.region,
		"reason": reason,
	},
} if {
	not input.request.route.country in facts.home
	not accepted
	input.request.route.accelerated == false
	input.request.route.multi_region == false
	input.destination.facts.country in facts.home
	facts.moved
}

findings contains {
	"rule": "r32_route",
	"params": {"host": input.request.host, "container": input.destination.facts.container, "reason": "turned-on"},
} if {
	some change in input.request.exposures
	change.aspect == "acceleration"
	not lower(change.value) in {"suspended", "off", "disabled"}
	exposure.exposes
}

# An endpoint that a provider has for the whole world has one of the region beside it, which the remedy names.
reason := "global" if {
	input.request.route.country.unknown == "global-endpoint"
} else := "endpoint"

# The institution's own choice: sealed content may be taken in where nobody knows.
accepted if {
	data.choices.sealed_through_global_endpoints.value == true
	input.request.route.country.unknown == "global-endpoint"
	facts.sealed
}
