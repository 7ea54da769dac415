# METADATA
# title: All names of the goal agree
# description: |
#   CONNECT target, TLS server name and Host must name the same place; otherwise the place that is judged is not
#   the place that is reached.
# custom:
#   requirement: haechi
#   basis: inference
#   certainty: I
#   severity: block
#   order: 14
#   source: >-
#     This project's caution: a request whose names contradict each other cannot be judged. No document says it.
package haechi.rules.names_disagree

findings contains {"rule": "names_disagree", "params": {"host": input.request.host}} if {
	not input.request.consistent == true
}
