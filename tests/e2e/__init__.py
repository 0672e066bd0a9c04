"""End to end: what a user types, on real clusters of the embedded engine."""
