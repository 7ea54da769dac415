"""Haechi judges every cloud upload of national core technology, and can prove what it decided."""

__version__ = "0.1.0"
