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
#   source: >-
#     This project's caution: an unknown fact is never treated as a good one. No document says it.
package haechi.rules.unknown_facts

import data.haechi.facts

findings contains {"rule": "unknown_facts", "params": {"fact": sprintf("destination.%s", [name]), "cause": cause}} if {
	some name in ["account", "country", "replicas"]
	cause := facts.dest[name].unknown
	facts.moved
}

findings contains {"rule": "unknown_facts", "params": {"fact": sprintf("destination.public.%s", [name]), "cause": cause}} if {
	not input.destination.facts.public.blocked == true
	some name in ["acl_public", "policy_public"]
	cause := input.destination.facts.public[name].unknown
	facts.moved
}

findings contains {"rule": "unknown_facts", "params": {"fact": sprintf("replica.%s.%s", [replica.container, name]), "cause": cause}} if {
	is_array(input.destination.facts.replicas)
	some replica in input.destination.facts.replicas
	some name in ["account", "country"]
	cause := replica[name].unknown
	facts.moved
}

findings contains {"rule": "unknown_facts", "params": {"fact": sprintf("encryption.%s", [name]), "cause": cause}} if {
	some name in ["mode", "key"]
	cause := input.encryption[name].unknown
	facts.moved
}

findings contains {"rule": "unknown_facts", "params": {"fact": sprintf("encryption.key.%s", [name]), "cause": cause}} if {
	is_object(input.encryption.key)
	some name in ["account", "country", "id", "manager", "multi_region"]
	cause := input.encryption.key[name].unknown
	facts.moved
}

findings contains {"rule": "unknown_facts", "params": {"fact": "actor.user", "cause": input.actor.user.unknown}} if facts.moved

findings contains {"rule": "unknown_facts", "params": {"fact": "registry", "cause": input.registry.unknown}} if facts.moved

findings contains {"rule": "unknown_facts", "params": {"fact": "registry.person", "cause": input.registry.person.unknown}} if facts.moved
