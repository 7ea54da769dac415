"""Desktop notices: tell the person at the machine why an upload did not happen."""
