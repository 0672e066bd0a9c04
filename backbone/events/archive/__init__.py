"""The archive: proof that events which keep their contract land in PostgreSQL, each once, whatever restarts."""
