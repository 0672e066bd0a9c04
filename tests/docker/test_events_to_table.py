"""The story on Docker: events keep their contract and land in PostgreSQL, whatever restarts in between."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from tests import ROOT

if TYPE_CHECKING:
    from backbone.stack.engine import Stack

_TIMEOUT_S = 300


def test_archive_proves_the_story_with_poison_and_restarts(docker_stack: Stack, engine: dict[str, str]) -> None:
    settings = docker_stack.settings
    for folder in ("backbone", "scripts", "schemas"):
        shutil.copytree(ROOT / folder, settings.root / folder, dirs_exist_ok=True)
    for file in ("tasks.py", "pyproject.toml"):
        shutil.copy(ROOT / file, settings.root)
    environ = {**settings.environ, **engine, "STACK_ENGINE": "docker"}
    said = [
        subprocess.run(
            [sys.executable, "-m", "invoke", *words],
            cwd=settings.root,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_S,
        )
        for words in (["contracts", "apply"], ["archive", "--events", "500", "--json"])
    ]
    assert said[0].returncode == 0, said[0].stderr
    assert said[1].stdout, said[1].stderr
    verdict = json.loads(said[1].stdout)
    assert [check for check in verdict["checks"] if not check["ok"]] == [], said[1].stderr
    assert len(verdict["checks"]) == 10
