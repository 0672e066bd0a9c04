"""Latency and throughput, measured so that the figures can be trusted: see docs/performance.md."""
