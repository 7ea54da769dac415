# METADATA
# title: Stored encrypted
# description: |
#   Tagged content is encrypted in storage: by our own layer 1, or at least by the provider. An encryption that is
#   unknown or not recognised is none.
# custom:
#   requirement: R07
#   basis: statute
#   certainty: S
#   severity: block
#   order: 50
#   source: >-
#     Decree Art. 14(4), from a secondary source (S).
package haechi.rules.r07_storage_encryption

import data.haechi.facts

findings contains {
	"rule": "r07_storage_encryption",
	"params": {"container": input.destination.facts.container, "mode": input.encryption.mode},
} if {
	not input.encryption.mode in {"provider", "kms", "kms-dual", "client-key"}
	facts.moved
	not facts.sealed
}
