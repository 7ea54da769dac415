# METADATA
# title: What the rules share
# description: |
#   Facts derived once from the input, so that every rule means the same by "tagged", "moved", "ours" and "abroad".
#   Each asks for proof of the good case and takes everything else for the bad one: a missing or unknown value is
#   never clean, never ours, never in Korea.
package haechi.facts

unknown(value) if is_string(value.unknown)

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
	not only_settings
}

# The request changes settings of what is stored already; nothing tagged travels in its body.
only_settings if {
	input.request.kind in {"expose", "prepare", "read"}
	every match in input.content.matches {
		match.how in {"stored", "sealed"}
	}
}

# What a finding calls the content by.
name := input.content.matches[0].name if {
	count(input.content.matches) > 0
} else := object.get(input, ["destination", "location", "key"], "")

# --- whose ---

our_accounts := {[entry.provider, entry.id] | some entry in input.registry.accounts}

our_account_ids := {entry.id | some entry in input.registry.accounts}

our_keys := {[entry.provider, entry.id] | some entry in input.registry.keys}

dest := input.destination.facts

default sensitive := true

# A place whose settings are nobody's business here: nothing tagged is known there, and it is known to be another's.
sensitive := false if {
	not tagged
	is_string(dest.account)
	is_array(input.registry.accounts)
	not [dest.provider, dest.account] in our_accounts
}

# --- exposure ---

default exposes := false

# An object's own access wish matters where the object is tagged; a change of a place where the place does.
exposes if {
	tagged
	count(input.request.exposures) > 0
}

exposes if {
	input.request.kind in {"expose", "unrecognised"}
	count(input.request.exposures) > 0
	sensitive
}

exposes if {
	input.request.kind == "prepare"
	count(input.request.exposures) > 0
	sensitive
	object.get(input, ["destination", "location", "key"], "") == ""
}

# --- encryption at the provider ---

default provider_encrypts := false

provider_encrypts if input.encryption.mode in {"provider", "kms", "kms-dual", "client-key"}

default has_key := true

# Modes without a key of its own have none to locate.
has_key := false if {
	input.encryption.key == null
	input.encryption.mode in {"none", "provider", "client-key"}
}

default key_id := ""

key_id := input.encryption.key.id

default key_account := {"unknown": "no-key"}

key_account := input.encryption.key.account

default key_country := {"unknown": "no-key"}

key_country := input.encryption.key.country

default key_region := {"unknown": "no-key"}

key_region := input.encryption.key.region

# --- where ---

# Every place that tagged content, a copy of it or its key would reach and that is not proven to be in Korea.
abroad contains {
	"role": "destination",
	"container": dest.container,
	"provider": dest.provider,
	"country": dest.country,
	"region": dest.region,
} if {
	moved
	not dest.country in data.choices.home_countries.value
}

abroad contains {
	"role": "replica",
	"container": replica.container,
	"provider": dest.provider,
	"country": replica.country,
	"region": replica.region,
} if {
	moved
	is_array(dest.replicas)
	some replica in dest.replicas
	not replica.country in data.choices.home_countries.value
}

abroad contains {
	"role": "replica",
	"container": "",
	"provider": dest.provider,
	"country": dest.replicas,
	"region": dest.replicas,
} if {
	moved
	not is_array(dest.replicas)
}

abroad contains {
	"role": "key",
	"container": key_id,
	"provider": dest.provider,
	"country": key_country,
	"region": key_region,
} if {
	moved
	has_key
	not key_country in data.choices.home_countries.value
}
