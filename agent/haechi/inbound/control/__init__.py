"""The agent's Unix socket: commands ask here; the peer's user decides what it may."""
