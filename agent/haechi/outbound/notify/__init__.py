"""Notices to the person at the desktop."""
