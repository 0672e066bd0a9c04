"""The Docker engine as far as it needs no engine."""
