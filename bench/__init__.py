"""The figures of docs/benchmarks.md: the peers side by side in one run."""
