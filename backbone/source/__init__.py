"""Configuration as text: YAML, env files, interpolation, and the place where each value is written."""
