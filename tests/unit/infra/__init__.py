"""The files under infra: scripts and variables."""
