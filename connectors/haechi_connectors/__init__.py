"""One folder a cloud: pure wire knowledge, live facts through the provider's SDK, and hosts and regions as data."""
