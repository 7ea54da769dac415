# METADATA
# title: Only over TLS
# description: |
#   Tagged content never travels over plain HTTP.
# custom:
#   requirement: R30
#   basis: inference
#   certainty: I
#   severity: block
#   order: 28
#   source: >-
#     In the spirit of Decree Art. 14(3)(4) (I).
package haechi.rules.r30_transport

import data.haechi.facts

findings contains {"rule": "r30_transport", "params": {"host": input.request.host, "scheme": input.request.scheme}} if {
	not input.request.scheme == "https"
	facts.moved
}
