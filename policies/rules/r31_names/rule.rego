# METADATA
# title: No sensitive words outside layer 1
# description: |
#   Object names, tags, metadata and file names in headers travel and are stored in the clear, sealed or not. The
#   agent looks there for the words of the choice sensitive_words and for the technologies of the content itself, and
#   says which word stands where; the text itself never gets into the input. Tags and metadata that the beginning of a
#   multipart upload names count for what follows, and tags that are set afterwards for what lies there. That it is
#   refused is this project's default; the institution may choose otherwise.
# custom:
#   requirement: R31
#   basis: inference
#   certainty: I
#   severity: block
#   order: 44
#   source: >-
#     R31: names, tags and metadata lie outside layer 1 (I). Which words are sensitive is the institution's choice
#     (data.yaml).
package haechi.rules.r31_names

import data.haechi.facts

findings contains {"rule": "r31_names", "params": {"role": found.where, "word": found.word}} if {
	facts.moved
	some found in input.request.words
}

# Tags given to what is stored already; its name was there before.
findings contains {"rule": "r31_names", "params": {"role": found.where, "word": found.word}} if {
	facts.tagged
	input.request.kind == "expose"
	some found in input.request.words
	found.where == "tag"
}
