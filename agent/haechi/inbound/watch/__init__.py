"""Keeps the index true to the file system: events, and a rescan where events were lost."""
