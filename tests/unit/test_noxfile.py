from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

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


def test_what_runs_each_night_is_a_session_and_is_told_so() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "nightly.yml").read_text(encoding="utf-8"))
    names = set(workflow["jobs"]["session"]["strategy"]["matrix"]["session"])
    told = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    assert names == set(re.findall(r"(?m)^\| `nox -s ([\w-]+)`.*each night \|$", told))
    assert names <= listed("--list", "--json", "--session", *sorted(names)).keys()


def test_tests_that_share_a_stack_are_given_to_one_process(tmp_path: Path) -> None:
    (tmp_path / "test_two.py").write_text(
        "import os, pathlib, pytest\n"
        "@pytest.mark.xdist_group('one')\n"
        "@pytest.mark.parametrize('number', range(4))\n"
        "def test_it(number):\n"
        "    pathlib.Path(f'{number}.pid').write_text(str(os.getpid()))\n"
    )
    words = ("-q", "-p", "no:cacheprovider", "--numprocesses", "2", "--dist", "loadgroup", ".")
    subprocess.run([sys.executable, "-m", "pytest", *words], check=True, cwd=tmp_path, capture_output=True, timeout=60)
    pids = [each.read_text() for each in tmp_path.glob("*.pid")]
    assert len(pids) == 4
    assert len(set(pids)) == 1, "pytest and pytest-xdist do not go together"
