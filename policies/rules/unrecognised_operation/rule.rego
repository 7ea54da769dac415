# METADATA
# title: Operations that nobody knows are not let through
# description: |
#   A request that carries a body or changes state and that the connector cannot name, where tagged content may be
#   in it or the place is, or may be, the institution's.
# custom:
#   requirement: haechi
#   basis: inference
#   certainty: I
#   severity: block
#   order: 16
#   source: >-
#     This project's caution: what cannot be named is judged as the worst case. No document says it.
package haechi.rules.unrecognised_operation

import data.haechi.exposure
import data.haechi.facts

findings contains {
	"rule": "unrecognised_operation",
	"params": {"operation": input.request.operation, "host": input.request.host, "why": input.request.reason},
} if {
	input.request.kind == "unrecognised"
	facts.tagged
}

findings contains {
	"rule": "unrecognised_operation",
	"params": {"operation": input.request.operation, "host": input.request.host, "why": input.request.reason},
} if {
	input.request.kind == "unrecognised"
	exposure.sensitive
}
