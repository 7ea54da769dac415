# METADATA
# title: The shape of the input
# description: |
#   Whether the input is haechi.input/1 (policies/schema/input-1.json says it in full). Only what a rule's silence could
#   depend on is asked here: that no field is absent, and that what is searched for something bad is a list. All else
#   is compared with the good value by the rules themselves, so that a wrong type is not good. Written without
#   functions and with one helper only, because each costs the embedded engine more than everything it would hold.
package haechi.shape

default valid := false

valid if {
	input.schema == "haechi.input/1"
	is_string(input.time)

	# An array of references is undefined as soon as one of them is: the cheapest way to ask for many fields at once.
	request := input.request
	[request.access_key, request.consistent, request.encryption, request.host, request.operation, request.reason]
	[request.route.accelerated, request.route.country, request.route.multi_region, request.scheme]
	request.kind in {"read", "upload", "assemble", "copy", "expose", "prepare", "unrecognised"}
	is_array(request.words)
	every found in request.words {
		[found.where, found.word]
	}
	is_array(request.exposures)
	every change in request.exposures {
		[change.aspect, change.public]
		is_string(change.value)
		is_array(change.targets)
		every target in change.targets {
			is_string(target)
		}
		is_array(change.target_facts)
		every place in change.target_facts {
			[place.account, place.container, place.country, place.target]
		}
	}

	facts := input.destination.facts
	[facts.account, facts.container, facts.country, facts.encryption, facts.provider, facts.region]
	[facts.public.blocked, facts.public.acl_public, facts.public.policy_public]
	[input.encryption.mode, input.encryption.key]

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

	count(whole) == 5
}

# The parts that may take several forms, each named where it has one of them.
whole contains "user" if is_string(input.actor.user)

whole contains "user" if is_string(input.actor.user.unknown)

whole contains "replicas" if is_string(input.destination.facts.replicas.unknown)

whole contains "replicas" if {
	is_array(input.destination.facts.replicas)
	every replica in input.destination.facts.replicas {
		[replica.account, replica.container, replica.country, replica.region]
	}
}

whole contains "key" if input.encryption.key == null

whole contains "key" if is_string(input.encryption.key.unknown)

whole contains "key" if {
	facts := input.encryption.key
	[facts.account, facts.country, facts.id, facts.manager, facts.multi_region, facts.origin, facts.region]
}

whole contains "source" if {
	input.source == null
	input.request.kind != "copy"
}

# A copy's source may be unreadable, but never unsaid.
whole contains "source" if is_object(input.source.facts)

whole contains "registry" if is_string(input.registry.unknown)

whole contains "registry" if {
	registered := input.registry
	is_number(registered.age_seconds)
	[registered.person]
	is_array(registered.accounts)
	every account in registered.accounts {
		[account.provider, account.id]
	}
	is_array(registered.keys)
	is_array(registered.takeouts)
	is_array(registered.approvals)
	is_array(registered.declarations)
	is_array(registered.exemptions)
	is_array(registered.attestations)
	is_array(registered.orders)
	every listed in [registered.takeouts, registered.approvals, registered.declarations, registered.exemptions] {
		every granted in listed {
			is_array(granted.technologies)
			is_array(granted.destinations)
		}
	}
}
