"""The Rego engine in a process of its own, with a deadline."""
