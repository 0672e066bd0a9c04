"""The linter: rules over one Compose project, whose resolved model it is handed. It runs no process."""
