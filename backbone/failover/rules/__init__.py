"""The rules a history is judged by, each a pure function from an Index to its violations, all O(n log n)."""
