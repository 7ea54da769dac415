# METADATA
# title: Which export an authorisation covers
# description: |
#   Shared by r24_approval, r25_declaration and r27_exemption. An authorisation is granted, and not for technology of the
#   other funding; an exemption stands on a basis that the institution relies on (exemption_bases in data.yaml) and on
#   recorded evidence. Either is in force, names the technology and the place, and covers this very content (its digest
#   is named, or it is comprehensive). Anything less covers nothing. What goes abroad is content and its copies: where a
#   key at the provider lies is for r16_key_location, because no source calls a key an export.
package haechi.exports

import data.haechi.facts

default bases := []

bases := data.choices.exemption_bases.value

# Content that was recognised without any tag is of an unknown technology: no authorisation names it.
technologies := {{"technology": tag.technology, "funding": tag.funding} | some tag in input.content.tags} if {
	count(input.content.tags) > 0
} else := {{"technology": "unknown", "funding": "unknown"}}

# Without a registry nothing is authorised. Whatever is not known to be private counts as paid for by the government.
authorisations["private"] := object.get(input.registry, "declarations", [])

authorisations["government"] := object.get(input.registry, "approvals", [])

# What would be exported, and where to, without anything that covers it.
uncovered := [export |
	some place in facts.abroad
	some tag in technologies
	export := {"technology": tag.technology, "funding": tag.funding, "place": place}
	not authorised(tag, place)
	not exempt(tag.technology, place)
]

authorised(tag, place) if {
	tag.funding == "private"
	granted(authorisations.private, "government", tag.technology, place)
}

authorised(tag, place) if {
	not tag.funding == "private"
	granted(authorisations.government, "private", tag.technology, place)
}

granted(listed, other_funding, technology, place) if {
	some authorisation in listed
	authorisation.status == "granted"
	authorisation.funding != other_funding
	reaches(authorisation, technology, place)
}

exempt(technology, place) if {
	some exemption in input.registry.exemptions
	exemption.basis in bases
	proven(exemption)
	reaches(exemption, technology, place)
}

# That there is evidence is all that can be seen here; whether it is any good is for people to judge.
proven(exemption) if {
	is_string(exemption.evidence)
	trim(exemption.evidence, " ") != ""
}

reaches(entry, technology, place) if {
	entry.in_force == true
	entry.covers_content == true
	technology in entry.technologies
	some named in entry.destinations
	is_string(named.country)
	named.country == place.country
	every part in ["provider", "account", "region", "container"] {
		named[part] in [null, place[part]]
	}
}

reason(listed, technology) := "none" if {
	count(listed) == 0
} else := "pending" if {
	some authorisation in listed
	technology in authorisation.technologies
	authorisation.status == "pending"
} else := "not-covering" if {
	some authorisation in listed
	technology in authorisation.technologies
	authorisation.status == "granted"
	authorisation.in_force == true
} else := "ended" if {
	some authorisation in listed
	technology in authorisation.technologies
} else := "none"
