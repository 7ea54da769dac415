# METADATA
# title: What people stated, with a date
# description: |
#   Shared by the rules about what no program can see: a statement of the signed registry counts while it is in force, is
#   dated, and is not older than the institution allows (attestation_max_age_days in data.yaml; no source gives an age,
#   so none is set). Where the institution set no age, the statement has to say itself until when it holds
#   (valid_until): what ends nowhere would be good for ever, and that is this project's choice against. Whether what it
#   says is true is for people to check.
package haechi.attested

default limits := {"default": null, "subjects": {}}

limits := data.choices.attestation_max_age_days.value

limit(subject) := object.get(limits.subjects, subject, limits.default)

# Statements that count.
counted := [attestation |
	some attestation in input.registry.attestations
	attestation.in_force == true
	is_number(attestation.age_days)
	young(attestation, limit(attestation.subject))
]

young(attestation, days) if {
	days == null
	attestation.ends == true
}

young(attestation, days) if {
	is_number(days)
	attestation.age_days <= days
}

# About the destination's own provider: what another one does says nothing of it.
of_provider contains attestation.subject if {
	some attestation in counted
	attestation.provider == input.destination.facts.provider
}

# About the institution; what it states of its use of this provider is as good.
of_institution contains attestation.subject if {
	some attestation in counted
	attestation.provider in [null, input.destination.facts.provider]
}

# Why nothing counts; whom names those that a statement could be about.
reason(subject, whom) := input.registry if {
	is_string(input.registry.unknown)
} else := "old" if {
	is_number(limit(subject))
	some attestation in input.registry.attestations
	attestation.subject == subject
	attestation.provider in whom
	attestation.in_force == true
	is_number(attestation.age_days)
} else := "endless" if {
	some attestation in input.registry.attestations
	attestation.subject == subject
	attestation.provider in whom
	attestation.in_force == true
	is_number(attestation.age_days)
} else := "ended" if {
	some attestation in input.registry.attestations
	attestation.subject == subject
	attestation.provider in whom
} else := "none"
