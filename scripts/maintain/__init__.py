"""What only a maintainer runs: locks, lists, pages and benchmarks of the tools (nox sessions call it)."""
