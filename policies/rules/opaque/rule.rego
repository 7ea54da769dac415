# METADATA
# title: What could not be read is recorded
# description: |
#   Encrypted or compressed beyond reading, with no trace of tagged content: recorded, so that it can be asked
#   about later.
# custom:
#   requirement: haechi
#   basis: inference
#   certainty: I
#   severity: log
#   order: 86
#   source: >-
#     This project's caution; no document says it. Blocking every encrypted file would stop ordinary work, so it
#     is recorded.
package haechi.rules.opaque

findings contains {"rule": "opaque", "params": {"notes": input.content.notes}} if {
	input.content.state == "opaque"
}
