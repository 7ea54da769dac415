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

	# An array of references is undefined as soon as one of them is: the cheapest way to ask for many fields at once.
	request := input.request
	[request.access_key, request.consistent, request.encryption, request.host, request.operation, request.reason]
	[request.route.accelerated, request.route.multi_region, request.scheme]
	request.kind in kinds
	is_array(request.exposures)
	exposures

	user

	facts := input.destination.facts
	[facts.account, facts.container, facts.country, facts.encryption, facts.provider, facts.region]
	[facts.public.blocked, facts.public.acl_public, facts.public.policy_public]
	replicas

	[input.encryption.mode, input.encryption.key]
	key

	source

	content := input.content
	[content.digest, content.notes, content.sealed, content.state]
	is_array(content.matches)
	every match in content.matches {
		[match.how, match.name]
	}
	is_array(content.tags)
	every tag in content.tags {
		[tag.technology, tag.funding]
	}

	registry
}

exposures if count(input.request.exposures) == 0

exposures if {
	every change in input.request.exposures {
		[change.aspect, change.public]
		is_string(change.value)
		is_array(change.targets)
		every target in change.targets {
			is_string(target)
		}
	}
}

user if is_string(input.actor.user)

user if is_string(input.actor.user.unknown)

kinds := {"read", "upload", "assemble", "copy", "expose", "prepare", "unrecognised"}

replicas if is_string(input.destination.facts.replicas.unknown)

replicas if {
	is_array(input.destination.facts.replicas)
	every replica in input.destination.facts.replicas {
		[replica.account, replica.container, replica.country, replica.region]
	}
}

key if input.encryption.key == null

key if is_string(input.encryption.key.unknown)

key if {
	facts := input.encryption.key
	[facts.account, facts.country, facts.id, facts.manager, facts.multi_region, facts.origin, facts.region]
}

source if {
	input.source == null
	input.request.kind != "copy"
}

# A copy's source may be unreadable, but never unsaid.
source if is_object(input.source.facts)

registry if is_string(input.registry.unknown)

registry if {
	registered := input.registry
	is_array(registered.accounts)
	is_array(registered.keys)
	is_array(registered.approvals)
	is_array(registered.declarations)
	is_array(registered.orders)
	[registered.person]
}
