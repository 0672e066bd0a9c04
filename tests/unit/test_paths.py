"""Every path that a user gives is relative to where he stands: a test for each flag that takes one.

`smoke --junit`, `archive --junit` and `produce --file` want a stack: tests/wheel has them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, cast

import pytest

from scripts.tasks import failover
from tests import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from backbone.failover.campaign import Cluster

TWICE = "services:\n  web:\n    image: x:${TAG:-1}\n    image: y:1\n"


def invoke(cwd: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a task as ./invoke does, from another folder than the checkout's."""
    argv = [sys.executable, "-I", "-m", "invoke", "--search-root", str(ROOT), *words]
    done = subprocess.run(argv, cwd=cwd, check=False, capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "compose.yml").write_text(TWICE, encoding="utf-8")
    return tmp_path / "project"


@pytest.mark.parametrize("given", [(), ("--project", "."), ("--project", "compose.yml"), ("--project", "../project")])
def test_lint_judges_where_the_user_stands(project: Path, given: tuple[str, ...]) -> None:
    done = invoke(project, "lint", *given)
    assert done.returncode == 1
    assert "  --> compose.yml:4:5" in done.stdout


def test_lint_says_so_where_there_is_no_project(tmp_path: Path) -> None:
    done = invoke(tmp_path, "lint")
    assert (done.returncode, done.stdout) == (3, "")
    assert f"neither {tmp_path} nor a folder above it has a Compose file" in done.stderr


def test_lint_env_file(project: Path) -> None:
    assert "cannot read mine.env" in invoke(project, "lint", "--env-file", "mine.env").stderr
    (project / "mine.env").write_text("TAG=latest\n", encoding="utf-8")
    assert invoke(project, "lint", "--env-file", "mine.env", "--select", "KC00").returncode == 1


def test_lint_policy(project: Path) -> None:
    assert "mine.toml" in invoke(project, "lint", "--policy", "mine.toml").stderr
    (project / "mine.toml").write_text("[severity]\nKC002 = 'info'\n", encoding="utf-8")
    assert "info[KC002" in invoke(project, "lint", "--policy", "mine.toml").stdout


def test_lint_output(project: Path) -> None:
    invoke(project, "lint", "--output", "made/report.json", "--json")
    assert json.loads((project / "made" / "report.json").read_text(encoding="utf-8"))
    done = invoke(project, "lint", "--output", "made")
    assert (done.returncode, "cannot write made" in done.stderr) == (2, True)


def test_bench_compare(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    done = invoke(tmp_path, "bench", "--compare", "a", "b")
    assert (done.returncode, "a holds no benchmark report" in done.stderr) == (2, True)


def test_failover_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = {"steps": [{"kind": "kill", "role": "leader", "quiet": 1.0, "hold": 2.0}]}
    (tmp_path / "mine.json").write_text(json.dumps(plan), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    cluster = cast("Cluster", None)  # a plan from a file is read without one
    (read,) = failover.plans(cluster, quick=False, soak=0.0, plan="mine.json", faults=1)
    assert [step.kind for step in read.steps] == ["kill"]
