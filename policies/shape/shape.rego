# METADATA
# title: The shape of the input
# description: |
#   Whether the input is haechi.input/1 (policies/schema/input-1.json says it in full). Only what a rule's silence could
#   depend on is asked here: that no field is absent, and that what is searched for something bad is a list. All else
#   is compared with the good value by the rules themselves, so that a wrong type is not good. Written without
#   functions, which cost more than everything they would hold.
package haechi.shape

default valid := false

valid if {
	input.schema == "haechi.input/1"
	is_string(input.time)
	{"actor", "content", "destination", "encryption", "registry", "request", "source"} - object.keys(input) == set()

	is_object(input.request)
	request - object.keys(input.request) == set()
	input.request.kind in kinds
	is_array(input.request.exposures)
	every change in input.request.exposures {
		is_object(change)
		{"aspect", "value", "public", "targets"} - object.keys(change) == set()
		is_string(change.value)
		is_array(change.targets)
		every target in change.targets {
			is_string(target)
		}
	}

	is_object(input.actor)
	user

	is_object(input.destination.facts)
	destination - object.keys(input.destination.facts) == set()
	is_object(input.destination.facts.public)
	{"blocked", "acl_public", "policy_public"} - object.keys(input.destination.facts.public) == set()
	replicas

	is_object(input.encryption)
	{"mode", "key"} - object.keys(input.encryption) == set()
	key

	source

	is_object(input.content)
	{"digest", "matches", "notes", "sealed", "state", "tags"} - object.keys(input.content) == set()
	is_array(input.content.matches)
	every match in input.content.matches {
		is_object(match)
		{"how", "name"} - object.keys(match) == set()
	}
	is_array(input.content.tags)
	every tag in input.content.tags {
		is_object(tag)
		{"technology", "funding"} - object.keys(tag) == set()
	}

	registry
}

user if is_string(input.actor.user)

user if is_string(input.actor.user.unknown)

kinds := {"read", "upload", "assemble", "copy", "expose", "prepare", "unrecognised"}

request := {
	"access_key", "consistent", "encryption", "exposures", "host", "kind", "operation", "reason", "route", "scheme",
}

destination := {"account", "container", "country", "encryption", "provider", "public", "region", "replicas"}

replicas if is_string(input.destination.facts.replicas.unknown)

replicas if {
	is_array(input.destination.facts.replicas)
	every replica in input.destination.facts.replicas {
		is_object(replica)
		{"account", "container", "country", "region"} - object.keys(replica) == set()
	}
}

key if input.encryption.key == null

key if is_string(input.encryption.key.unknown)

key if {
	is_object(input.encryption.key)
	{"account", "country", "id", "manager", "multi_region", "origin", "region"} - object.keys(input.encryption.key) == set()
}

source if {
	input.source == null
	input.request.kind != "copy"
}

# A copy's source may be unreadable, but never unsaid.
source if is_object(input.source.facts)

registry if is_string(input.registry.unknown)

registry if {
	is_object(input.registry)
	lists - object.keys(input.registry) == set()
	is_array(input.registry.accounts)
	is_array(input.registry.keys)
	is_array(input.registry.approvals)
	is_array(input.registry.declarations)
	is_array(input.registry.orders)
}

lists := {"accounts", "approvals", "declarations", "keys", "orders", "person"}
