# METADATA
# title: What the rules share
# description: |
#   Facts derived once from the input, so that every rule means the same by "tagged", "moved", "ours" and "abroad".
#   Each asks for proof of the good case and takes everything else for the bad one: a missing or unknown value is
#   never clean, never ours, never in Korea.
#   The embedded engine evaluates a package as a whole at its first use, and a function or a helper rule costs more
#   than the expressions in it: what only changes of exposure need stands in haechi.exposure.
package haechi.facts

# --- content ---

default tagged := true

# Whoever builds the input adds a worst-case match where something protected may be in what was not looked at.
tagged := false if {
	input.content.state in {"clean", "opaque", "not_inspected"}
	count(input.content.matches) == 0
	count(input.content.tags) == 0
}

default sealed := false

sealed if {
	input.content.sealed == true
	count(input.content.matches) > 0
	every match in input.content.matches {
		match.how == "sealed"
	}
}

default moved := false

# Tagged content leaves, or is laid somewhere else, by this request.
moved if {
	tagged
	not input.request.kind in {"expose", "prepare", "read"}
}

# A request that changes settings of what is stored already moves nothing, unless tagged content is in its body.
moved if {
	tagged
	input.request.kind in {"expose", "prepare", "read"}
	some match in input.content.matches
	not match.how in {"stored", "sealed"}
}

# What a finding calls the content by.
name := input.content.matches[0].name if {
	count(input.content.matches) > 0
} else := object.get(input, ["destination", "location", "key"], "")

# --- whose ---

our_accounts := {[entry.provider, entry.id] | some entry in input.registry.accounts}

our_keys := {[entry.provider, entry.id] | some entry in input.registry.keys}

# --- where ---

home := data.choices.home_countries.value

# --- encryption at the provider ---

# Tagged content is moved, and put under a key at the provider.
default keyed := false

keyed if {
	moved
	not input.encryption.key == null
}

# Modes without a key of its own have none to locate.
keyed if {
	moved
	not input.encryption.mode in {"none", "provider", "client-key"}
}

default key := {
	"id": "",
	"account": {"unknown": "no-key"},
	"country": {"unknown": "no-key"},
	"region": {"unknown": "no-key"},
}

key := input.encryption.key if input.encryption.key.id

# --- abroad ---

# Every place that tagged content or a copy of it would reach and that is not proven to be in Korea. A list, not a set:
# what stands in a set is hashed and compared whole, each time anew.
default abroad := []

abroad := [place |
	some listed in [destination_abroad, replicas_abroad]
	some place in listed
] if moved

default destination_abroad := []

destination_abroad := [{
	"role": "destination",
	"container": input.destination.facts.container,
	"provider": input.destination.facts.provider,
	"country": input.destination.facts.country,
	"region": input.destination.facts.region,
	"account": input.destination.facts.account,
}] if {
	not input.destination.facts.country in home
}

replicas_abroad := [place |
	some replica in input.destination.facts.replicas
	not replica.country in home
	place := {
		"role": "replica",
		"container": replica.container,
		"provider": input.destination.facts.provider,
		"country": replica.country,
		"region": replica.region,
		"account": replica.account,
	}
] if {
	is_array(input.destination.facts.replicas)
} else := [{
	"role": "replica",
	"container": "",
	"provider": input.destination.facts.provider,
	"country": input.destination.facts.replicas,
	"region": input.destination.facts.replicas,
	"account": input.destination.facts.replicas,
}]
