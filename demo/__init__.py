"""The main job for real: a store, an institution, an agent, and the clients that people use."""
