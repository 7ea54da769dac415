"""Use cases: what Haechi does, in terms of the domain and the ports."""
