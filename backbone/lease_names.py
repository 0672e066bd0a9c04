"""The form of a lease's names: what has it, and no live lease, is nobody's (ADR 0096)."""

from __future__ import annotations

import re

PREFIX = re.compile(r"(lease-[0-9a-f]{12})(?:[-_.].*)?")
"""A prefix, or a name below one. A table's name has an underscore where the others have a dash."""


def prefix_of(name: str) -> str:
    """Return the prefix that a name is below, "" for one that is nobody's lease."""
    found = PREFIX.fullmatch(name.replace("_", "-", 1))
    return found[1] if found else ""
