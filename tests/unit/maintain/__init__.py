"""What only a maintainer runs: generated pages and data, and the benchmarks of the tools."""
