"""The stack: what the Compose files describe, started, watched and tried on any engine."""
