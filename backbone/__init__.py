"""The messaging backbone as a library: rooms in layers (docs/architecture.md). Nothing here knows Invoke."""
