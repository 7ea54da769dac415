# METADATA
# title: Nobody outside the institution gains access
# description: |
#   An ACL or policy must not let an account in that is not the institution's, where tagged content lies or may
#   lie.
# custom:
#   requirement: R05
#   basis: statute
#   certainty: Q
#   severity: block
#   order: 40
#   source: >-
#     Decree Art. 14(5): only designated personnel may view (Q). That an account of the institution stands for its
#     designated personnel is this project's simplification (I).
package haechi.rules.r05_readers

import data.haechi.exposure

findings contains {
	"rule": "r05_readers",
	"params": {"container": input.destination.facts.container, "aspect": change.aspect, "target": target},
} if {
	some change in input.request.exposures
	change.aspect in {"acl", "policy", "access-point-policy"}
	some target in change.targets
	exposure.exposes
	not within(target)
}

within(target) if target in our_account_ids

# arn:partition:service:region:account:resource
within(target) if {
	parts := split(target, ":")
	parts[0] == "arn"
	parts[4] in our_account_ids
}

our_account_ids := {entry.id | some entry in input.registry.accounts}
