# METADATA
# title: Nothing unreadable after tagged content was read
# description: |
#   The body is encrypted or compressed beyond reading, and the process that uploads it (or one that it descends from,
#   or that it began), or any process of the same user, opened tagged content within read_window_minutes of data.yaml.
#   The content itself cannot say whether it is the same.
# custom:
#   requirement: haechi
#   basis: inference
#   certainty: I
#   severity: block
#   order: 66
#   source: >-
#     This project's caution; no document says it. What nobody can look into is taken for what was just read. The
#     window is the project's choice, and the institution's to change.
package haechi.rules.opaque_after_read

findings contains {
	"rule": "opaque_after_read",
	"params": {
		"by": by,
		"at": object.get(input, ["reads", "latest", "at"], ""),
		"minutes": object.get(input, ["reads", "window_minutes"], 0),
		"notes": input.content.notes,
	},
} if {
	input.content.state == "opaque"
	by := [who | some who in ["process", "user"]; input.reads[who] == true][0]
}
