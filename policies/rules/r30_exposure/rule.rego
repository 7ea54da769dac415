# METADATA
# title: Nothing is opened to everybody
# description: |
#   A change that makes a place public, or may, where tagged content lies or that belongs to the institution (or
#   whose owner is unknown); and a public ACL wished for tagged content itself. What cannot be read of a change may open.
# custom:
#   requirement: R30
#   basis: inference
#   certainty: I
#   severity: block
#   order: 38
#   source: >-
#     In the spirit of Decree Art. 14(3)(4) (I).
package haechi.rules.r30_exposure

import data.haechi.exposure

findings contains {
	"rule": "r30_exposure",
	"params": {"container": input.destination.facts.container, "aspect": change.aspect, "value": change.value},
} if {
	some change in input.request.exposures
	opens(change)
	exposure.exposes
}

# Not proven harmless is harmful, whatever the change is called: lists, logs and copies may name readers too.
opens(change) if not change.public == false

# A website answers without credentials whatever its document says.
opens(change) if change.aspect == "website"

# Object ownership other than this one lets ACLs speak again, those too that were granted long ago.
opens(change) if {
	change.aspect == "ownership"
	change.value != "BucketOwnerEnforced"
	input.request.kind != "prepare"
}
