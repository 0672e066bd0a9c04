"""The rules, a module a family. Each registers by being imported (backbone.lint.engine does it)."""
