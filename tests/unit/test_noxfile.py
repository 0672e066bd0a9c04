from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT

DEFAULT = [
    "lint",
    "types",
    "unit",
    "linter",
    "validate",
    "wheel",
    "matrix",
    "gateway",
    "e2e",
    "e2e-data",
    "e2e-failover",
    "bench",
]


@pytest.fixture(scope="module")
def sessions() -> dict[str, str]:
    """Return session → description of the defaults with what they need, as nox itself lists them."""
    return listed("--list", "--json")


def listed(*options: str) -> dict[str, str]:
    nox = Path(sys.prefix, "bin", "nox")
    done = subprocess.run([str(nox), *options], check=True, cwd=ROOT, capture_output=True, text=True, timeout=60)
    return {item["name"]: item["description"] for item in json.loads(done.stdout)}


def test_nox_alone_runs_every_stage_in_order(sessions: dict[str, str]) -> None:
    stages = [name for name in sessions if name != "dev"]
    assert [name for name in stages if name in DEFAULT] == DEFAULT


def test_the_tools_are_installed_before_any_stage(sessions: dict[str, str]) -> None:
    assert next(iter(sessions)) == "dev"


def test_every_session_says_what_it_does(sessions: dict[str, str]) -> None:
    everything = sessions | listed("--list", "--json", "--session", "dev", "lock")
    assert {"lock", "dev", *DEFAULT} <= set(everything)
    for name, words in everything.items():
        assert words, name
        assert words.endswith("."), name


def test_the_stages_are_what_the_task_runs() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    stages = ("", " --session e2e-docker")
    assert {f"stage ./invoke test{which}" for which in stages} <= set(script)
