# METADATA
# title: What could not be read is recorded
# description: |
#   Encrypted or compressed beyond reading, with no trace of tagged content, from somebody who is known to have read
#   none lately: recorded, so that it can be asked about later. Where tagged content was read, or where that is not
#   known, opaque_after_read or opaque_reads_unknown speaks instead.
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
	input.reads.process == false
	input.reads.user == false
}
