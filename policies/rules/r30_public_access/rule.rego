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
#   source: >-
#     In the spirit of Decree Art. 14(3)(4) (I).
package haechi.rules.r30_public_access

import data.haechi.facts

findings contains {
	"rule": "r30_public_access",
	"params": {
		"container": facts.dest.container,
		"acl": facts.dest.public.acl_public,
		"policy": facts.dest.public.policy_public,
	},
} if {
	facts.moved
	not private
}

private if facts.dest.public.blocked == true

private if {
	facts.dest.public.acl_public == false
	facts.dest.public.policy_public == false
}
