"""The library for tests, without a cluster."""
