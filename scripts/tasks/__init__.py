"""The command line: one module a theme. A task parses, calls, renders and exits; only these know Invoke."""
