# METADATA
# title: A protection grade is assigned
# description: |
#   Every tag must carry one of the institution's grades (the choice grades in data.yaml). That it is refused is this
#   project's default; the institution may choose otherwise.
# custom:
#   requirement: R03
#   basis: statute
#   certainty: Q
#   severity: block
#   order: 32
#   source: >-
#     Decree Art. 14(1): a protection grade is assigned (Q). Which grades there are is not said in any source found.
package haechi.rules.r03_grade

import data.haechi.facts

findings contains {
	"rule": "r03_grade",
	"params": {"technology": tag.technology, "name": facts.name, "grade": object.get(tag, "grade", "")},
} if {
	facts.moved
	some tag in input.content.tags
	not graded(tag)
}

findings contains {"rule": "r03_grade", "params": {"technology": "unknown", "name": facts.name, "grade": ""}} if {
	facts.moved
	count(input.content.tags) == 0
}

# In a function of its own: negating a reference that is not there means different things to the engines.
graded(tag) if tag.grade in data.choices.grades.value
