# METADATA
# title: Nothing unreadable from somebody whose reads nobody saw
# description: |
#   The body is encrypted or compressed beyond reading, and whether its process or user opened tagged content within
#   read_window_minutes of data.yaml is not known: nobody watched, the watch was interrupted or lost events, or a
#   reader went away before it could be asked who it is. It counts as read.
# custom:
#   requirement: haechi
#   basis: inference
#   certainty: I
#   severity: block
#   order: 74
#   source: >-
#     This project's caution: an unknown fact is never treated as a good one. No document says it.
package haechi.rules.opaque_reads_unknown

findings contains {
	"rule": "opaque_reads_unknown",
	"params": {
		"cause": cause,
		"until": object.get(input, ["reads", "unseen", "until"], ""),
		"minutes": object.get(input, ["reads", "window_minutes"], 0),
		"notes": input.content.notes,
	},
} if {
	input.content.state == "opaque"
	facts := [object.get(input, ["reads", who], {"unknown": "not-read"}) | some who in ["user", "process"]]
	not true in facts
	unknown := [fact | some fact in facts; fact != false]
	cause := object.get(unknown[0], "unknown", "not-read")
}
