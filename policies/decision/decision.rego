# METADATA
# title: The decision
# description: |
#   The entry point, data.haechi.decision.decision: the findings of every rule that is loaded, in one object. It is
#   undefined for an input that is not haechi.input/1, and undefined is a cause for whoever asked, never a pass.
#   Rules are found by their place, so that none can be forgotten here.
# entrypoint: true
package haechi.decision

import data.haechi.shape

decision := {"schema": "haechi.decision/1", "findings": findings} if shape.valid

# A list: in a set each would be hashed and compared once more, though no two rules say the same.
findings := [finding | some finding in data.haechi.rules[_].findings]
