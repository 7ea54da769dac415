"""The pure core: what an upload is, what it carries, where it goes, and what was decided.

Nothing here does I/O, reads a clock, logs, or uses randomness; time and facts are arguments.
"""
