"""What people look at: a report as a value, and the templates and the one stylesheet that draw it."""
