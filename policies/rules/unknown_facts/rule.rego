# METADATA
# title: Every fact that the verdict needs is known
# description: |
#   Names each fact that could not be learned and why. The rules that need the fact speak as well, as they would
#   in the worst case.
# custom:
#   requirement: haechi
#   basis: inference
#   certainty: I
#   severity: block
#   order: 70
#   source: >-
#     This project's caution: an unknown fact is never treated as a good one. No document says it.
package haechi.rules.unknown_facts

import data.haechi.facts

# An array of references is undefined as soon as one of them is; the shape of the input has made sure that none is.
findings contains {"rule": "unknown_facts", "params": {"fact": fact[0], "cause": cause}} if {
	some fact in [
		["destination.account", input.destination.facts.account],
		["destination.country", input.destination.facts.country],
		["destination.replicas", input.destination.facts.replicas],
		["encryption.mode", input.encryption.mode],
		["encryption.key", input.encryption.key],
		["actor.user", input.actor.user],
		["registry", input.registry],
	]
	cause := fact[1].unknown

	# Known enough: owner_not_ours says it.
	cause != "not-ours"
	facts.moved
}

findings contains {"rule": "unknown_facts", "params": {"fact": fact[0], "cause": cause}} if {
	some fact in [
		["encryption.key.account", input.encryption.key.account],
		["encryption.key.country", input.encryption.key.country],
		["encryption.key.id", input.encryption.key.id],
		["encryption.key.manager", input.encryption.key.manager],
		["encryption.key.multi_region", input.encryption.key.multi_region],
	]
	cause := fact[1].unknown
	facts.moved
}

findings contains {"rule": "unknown_facts", "params": {"fact": fact[0], "cause": cause}} if {
	not input.destination.facts.public.blocked == true
	some fact in [
		["destination.public.acl_public", input.destination.facts.public.acl_public],
		["destination.public.policy_public", input.destination.facts.public.policy_public],
	]
	cause := fact[1].unknown
	facts.moved
}

findings contains {"rule": "unknown_facts", "params": {"fact": concat(".", ["replica", replica.container, name]), "cause": cause}} if {
	is_array(input.destination.facts.replicas)
	some replica in input.destination.facts.replicas
	some name in ["account", "country"]
	cause := replica[name].unknown
	cause != "not-ours"
	facts.moved
}

findings contains {"rule": "unknown_facts", "params": {"fact": "registry.person", "cause": input.registry.person.unknown}} if facts.moved
