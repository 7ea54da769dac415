# METADATA
# title: Ways in are strong
# description: |
#   Where tagged content goes, local users are off, plain HTTP is not answered, and TLS is 1.2 at least (that floor is
#   this project's: no source gives a version). A setting that the provider does not have for a container is not counted:
#   r30_transport judges the request itself. Of a store whose API tells nothing of SFTP and NFS, that is recorded here.
# custom:
#   requirement: R30
#   basis: inference
#   certainty: I
#   severity: log
#   order: 85
#   source: >-
#     In the spirit of Decree Art. 14(3)(4) (I).
package haechi.rules.r30_weak_ways

import data.haechi.facts

findings contains {
	"rule": "r30_weak_ways",
	"params": {
		"container": input.destination.facts.container,
		"setting": setting,
		"value": object.get(ways, setting, {"unknown": "not-read"}),
	},
} if {
	facts.moved
	some setting, good in strong
	not ways[setting] in good
	not ways[setting].unknown == "no-setting"
}

findings contains {
	"rule": "r30_weak_ways",
	"params": {"container": input.destination.facts.container, "setting": way, "value": found},
} if {
	some way, found in ways
	way in {"sftp", "nfs"}
	found.unknown == "not-supported"
	facts.moved
}

strong := {"local_users": [false], "plain_http": [false], "minimum_tls": ["1.2", "1.3"]}

default ways := {}

ways := input.destination.facts.ways if is_object(input.destination.facts.ways)
