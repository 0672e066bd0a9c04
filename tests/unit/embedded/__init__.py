"""The embedded engine, with real short-lived processes, sockets and folders, and no JVM."""
