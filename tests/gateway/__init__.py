"""Needs Caddy: nox -s gateway installs it as a wheel."""
