"""Tests of the linter: real files, the real docker-compose, no engine."""
