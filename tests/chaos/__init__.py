"""Whatever is killed, and whenever: the stack heals and loses nothing (`nox -s chaos`)."""
