"""The institution's signed registry and the keys that are trusted to sign."""
