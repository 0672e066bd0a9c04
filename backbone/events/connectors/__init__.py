"""Kafka Connect's connectors: files in git, the worker's REST interface, and what failed tasks mean."""
