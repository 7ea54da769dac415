# METADATA
# title: Which export an authorisation covers
# description: |
#   Shared by r24_approval and r25_declaration. An authorisation is granted, in force, names the technology and the
#   country, and covers this very content (its digest is named, or it is comprehensive). Anything less covers nothing.
package haechi.exports

# Content that was recognised without any tag is of an unknown technology: no authorisation names it.
technologies := {{"technology": tag.technology, "funding": tag.funding} | some tag in input.content.tags} if {
	count(input.content.tags) > 0
} else := {{"technology": "unknown", "funding": "unknown"}}

covered(authorisations, technology, place) if {
	some authorisation in authorisations
	authorisation.status == "granted"
	authorisation.in_force == true
	authorisation.covers_content == true
	technology in authorisation.technologies
	some named in authorisation.destinations
	is_string(named.country)
	named.country == place.country
	every part in ["provider", "region", "container"] {
		named[part] in {null, place[part]}
	}
}

reason(authorisations, technology) := "none" if {
	count(authorisations) == 0
} else := "pending" if {
	some authorisation in authorisations
	technology in authorisation.technologies
	authorisation.status == "pending"
} else := "not-covering" if {
	some authorisation in authorisations
	technology in authorisation.technologies
	authorisation.status == "granted"
	authorisation.in_force == true
} else := "ended" if {
	some authorisation in authorisations
	technology in authorisation.technologies
} else := "none"
