"""The embedded engine: the services of the Compose model as local processes, with no Docker, Java or root."""
