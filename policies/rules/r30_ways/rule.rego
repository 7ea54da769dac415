# METADATA
# title: No other way in
# description: |
#   Where tagged content goes, SFTP and NFS must be closed: behind them stand passwords and keys of local users, or
#   nobody's identity at all, and no request that comes that way is judged. Unknown is not closed. What a store's API
#   cannot tell at all is recorded by r30_weak_ways.
# custom:
#   requirement: R30
#   basis: inference
#   certainty: I
#   severity: block
#   order: 39
#   source: >-
#     In the spirit of Decree Art. 14(3)(4) (I).
package haechi.rules.r30_ways

import data.haechi.facts

findings contains {
	"rule": "r30_ways",
	"params": {
		"container": input.destination.facts.container,
		"way": way,
		"open": object.get(ways, way, {"unknown": "not-read"}),
	},
} if {
	facts.moved
	some way in ["sftp", "nfs"]
	not ways[way] == false
	not ways[way].unknown == "not-supported"
}

default ways := {}

ways := input.destination.facts.ways if is_object(input.destination.facts.ways)
