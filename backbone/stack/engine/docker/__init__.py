"""The Docker engine: life cycle by the real `docker compose`, state by the engine's API."""
