"""Envoy as the data path: its configuration, certificates, supervision, and the processor it asks."""
