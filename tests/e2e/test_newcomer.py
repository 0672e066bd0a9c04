"""A newcomer: a clean checkout, an empty cache, no Java, Maven or Docker, and the commands of the README."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import ROOT
from tests.e2e import checkout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.checkout import Checkout

BANNED = re.compile(r"(java|javac|mvn|docker|dockerd|docker-compose|podman|uv)")
ITSELF = "./invoke test"
COMMAND_TIMEOUT_S = 600


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Checkout]:
    """A checkout with nothing in its cache and only everyday programs on PATH."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for folder in reversed(os.environ["PATH"].split(os.pathsep)):
        for program in Path(folder).glob("*"):
            if not BANNED.fullmatch(program.name):
                link = programs / program.name
                link.unlink(missing_ok=True)
                link.symlink_to(program)
    made = checkout.make(tmp_path / "checkout", tmp_path / "cache", shift=checkout.free_shift())
    made.environ = {"PATH": str(programs), "JAVA_HOME": "", "VIRTUAL_ENV": "", "PYTHON": ""}
    yield made
    made.end()


def commands() -> list[str]:
    """Return the README's commands in order, without their comments."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    return [line.split("#")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


def shell(made: Checkout, command: str) -> str:
    done = subprocess.run(
        shlex.split(command),
        cwd=made.root,
        env=made.env,
        capture_output=True,
        text=True,
        check=False,
        timeout=COMMAND_TIMEOUT_S,
    )
    assert done.returncode == 0, f"{command} exited {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def test_the_readme_works_from_nothing(newcomer: Checkout) -> None:
    readme = commands()
    assert readme[:2] == ["./invoke up", ITSELF], "the two commands come first"
    said = {command: shell(newcomer, command) for command in readme if command != ITSELF}
    first = said["./invoke up"]
    assert "downloading" in first, "it says what it is doing all the way"
    assert "ready" in first
    assert "KAFKA_BOOTSTRAP_SERVERS" in first
    assert "smoke: PASS" in said["./invoke smoke"]
    shell(newcomer, "./invoke up")
    assert "orders" in shell(newcomer, "./invoke topics list")
    shell(newcomer, "./invoke down")


def test_ci_runs_the_readmes_test_command() -> None:
    assert ITSELF in commands()
    assert f"stage {ITSELF}" in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
