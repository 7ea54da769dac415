# METADATA
# title: It is known since when material is marked
# description: |
#   Every tag must say when it was given (marked_at). A file tagged by a folder's or the policy's rule may lack it.
#   That it is recorded and not refused is this project's default; the institution may choose otherwise.
# custom:
#   requirement: R03
#   basis: guidance
#   certainty: S
#   severity: log
#   order: 89
#   source: >-
#     The Guideline: material is marked with its grade when it is created (S). That the time of the tag shows it is
#     this project's reading (I).
package haechi.rules.r03_marking

import data.haechi.facts

findings contains {"rule": "r03_marking", "params": {"technology": tag.technology, "name": facts.name}} if {
	facts.moved
	some tag in input.content.tags
	not marked(tag)
}

marked(tag) if is_string(tag.marked_at)
