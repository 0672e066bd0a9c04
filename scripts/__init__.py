"""The library behind the tasks: layers from errors up to the command line (docs/architecture.md)."""
