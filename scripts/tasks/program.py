"""The command `backbone`: the tasks without a checkout."""

from __future__ import annotations

import os
from importlib.metadata import version

from invoke import Program

from backbone.errors import PROGRAM

from .collection import collect


def main() -> None:
    """Run a task by the name that it has in a checkout, too."""
    os.environ.setdefault(PROGRAM, "backbone")
    Program(version=version("messaging-backbone"), namespace=collect(), name="backbone", binary="backbone").run()
