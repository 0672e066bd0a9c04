"""What git remembers of a contract's file."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

from backbone.events.contracts.model import canonical

if TYPE_CHECKING:
    from pathlib import Path

_COMMITS = 200  # of one file; a version is written once and seldom touched again


def commit_of(file: Path, schema: str) -> str | None:
    """Return the newest commit in which a file said this schema (canonical JSON), None if none of them did."""
    for commit in _git(file, "log", f"--max-count={_COMMITS}", "--format=%h", "--", file.name).split():
        try:
            said = canonical(json.loads(_git(file, "show", f"{commit}:./{file.name}")))
        except ValueError:
            continue
        if said == schema:
            return commit
    return None


def _git(file: Path, *words: str) -> str:
    """Return what git prints in the file's folder; nothing without git or outside a repository."""
    git = shutil.which("git")
    if git is None:
        return ""
    done = subprocess.run([git, *words], cwd=file.parent, capture_output=True, text=True, check=False, timeout=30)
    return done.stdout if done.returncode == 0 else ""
