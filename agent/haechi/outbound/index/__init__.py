"""The index of protected content, in SQLite and in memory."""
