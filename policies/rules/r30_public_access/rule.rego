# METADATA
# title: No public access
# description: |
#   The container must be proven not to be readable by everybody: public access blocked, or neither ACL nor policy
#   public.
# custom:
#   requirement: R30
#   basis: inference
#   certainty: I
#   severity: block
#   order: 38
#   source: >-
#     In the spirit of Decree Art. 14(3)(4) (I).
package haechi.rules.r30_public_access

import data.haechi.facts

findings contains {
	"rule": "r30_public_access",
	"params": {
		"container": input.destination.facts.container,
		"acl": input.destination.facts.public.acl_public,
		"policy": input.destination.facts.public.policy_public,
	},
} if {
	not input.destination.facts.public.blocked == true
	not [input.destination.facts.public.acl_public, input.destination.facts.public.policy_public] == [false, false]
	facts.moved
}
