"""Needs root and Debian's rabbitmq-server (`apt-get install --no-install-recommends rabbitmq-server`)."""
