"""The command line, one module a group of commands. ``haechi.cli`` puts them together."""
