# METADATA
# title: Changes of settings that expose nothing by themselves are on record
# description: |
#   Turned-off logging, suspended versioning and object lock weaken what later proves or restores; lifecycle and cross-
#   origin rules neither open nor move anything out of the region. Recorded with the reason, not blocked.
# custom:
#   requirement: R09
#   basis: inference
#   certainty: I
#   severity: log
#   order: 80
#   source: >-
#     R09 (Guideline, S) asks that history is kept and reviewed. That changes of these settings belong to it is
#     inferred (I).
package haechi.rules.r09_settings

import data.haechi.exposure

findings contains {
	"rule": "r09_settings",
	"params": {
		"container": input.destination.facts.container,
		"aspect": change.aspect,
		"value": change.value,
		"reason": change.aspect,
	},
} if {
	some change in input.request.exposures
	change.aspect in {"logging", "versioning", "object-lock", "lifecycle", "cors"}
	not strengthens(change)
	exposure.exposes
}

strengthens(change) if {
	change.aspect == "logging"
	change.value == "on"
}

strengthens(change) if {
	change.aspect == "versioning"
	change.value in {"Enabled", "Enabled,Enabled"}
}
