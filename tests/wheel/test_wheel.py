"""The wheel in empty environments, with no checkout near: what somebody sees who has only the package."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests import ROOT
from tests.e2e.checkout import free_shift

if TYPE_CHECKING:
    from collections.abc import Iterator

ODD_NAME = """it's "my" stäck ☕ $HOME #1 a=b;c&d """.ljust(200, "x")
"""Blanks, quotes, letters beyond ASCII, what shells and URLs treat specially, and 200 characters."""

MOST_PACKAGES = 12
_INSTALL_S = 900
_TASK_S = 300
_SEEN = "import json, sys, venv, ensurepip; print(json.dumps([*sys.version_info[:2], sys.base_prefix]))"


def pythons() -> dict[str, Path]:
    """Return "3.N" → interpreter of every Python from 3.11 up with venv and pip: on PATH, of pyenv and of uv."""
    places = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    places += sorted(Path.home().glob(".pyenv/versions/*/bin"))
    places += sorted(Path.home().glob(".local/share/uv/python/*/bin"))
    found: dict[tuple[int, int], Path] = {}
    for path in (path for place in places for path in sorted(place.glob("python3*"))):
        if not path.name.removeprefix("python3").lstrip(".").isdecimal() and path.name != "python3":
            continue
        try:
            done = subprocess.run([path, "-c", _SEEN], check=True, capture_output=True, text=True, timeout=30)
        except (OSError, subprocess.SubprocessError):
            continue  # a name without a program behind it, or a Python without pip
        major, minor, base = json.loads(done.stdout)
        if (major, minor) >= (3, 11):
            found.setdefault((major, minor), Path(base, "bin", f"python{major}.{minor}"))
    return {f"{major}.{minor}": path for (major, minor), path in sorted(found.items())}


PYTHONS = pythons()
FIRST_AND_LAST = [*dict.fromkeys([*list(PYTHONS)[:1], *list(PYTHONS)[-1:]])]


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel in it, and a folder far from any checkout to work in."""

    venv: Path
    folder: Path

    def run(self, program: str, *words: str, below: str = ".", code: int = 0) -> str:
        """Run a program of the environment in a folder, see how it exits, and return all it printed."""
        env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "BACKBONE_"))}
        done = subprocess.run(
            [self.venv / "bin" / program, *words],
            cwd=self.folder / below,
            env=env | {"STACK_ENGINE": "embedded"},
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_TASK_S,
        )
        assert "Traceback" not in done.stdout
        assert done.returncode == code, f"{program} {words} exited {done.returncode}\n{done.stdout}"
        return done.stdout

    def packages(self) -> list[str]:
        """Return what is installed, without what every new environment has."""
        listed: list[dict[str, Any]] = json.loads(
            self.run("python", "-m", "pip", "list", "--format", "json", "--disable-pip-version-check").splitlines()[0]
        )
        return [each["name"] for each in listed if each["name"] not in {"pip", "setuptools"}]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel of this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    python = PYTHONS[list(PYTHONS)[-1]]
    argv = [str(python), "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(argv, check=True, timeout=_INSTALL_S)
    (built,) = folder.glob("*.whl")
    return built


def install(python: Path, wheel: Path, extra: str, folder: Path) -> Installed:
    venv = folder / "venv"
    subprocess.run([python, "-m", "venv", venv], check=True, timeout=_INSTALL_S)
    argv = [str(venv / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", f"{wheel}{extra}"]
    subprocess.run(argv, check=True, timeout=_INSTALL_S)
    (folder / "work").mkdir()
    return Installed(venv, folder / "work")


@pytest.mark.parametrize("version", PYTHONS)
def test_the_base_is_the_linter_and_little_else(version: str, wheel: Path, tmp_path: Path) -> None:
    here = install(PYTHONS[version], wheel, "", tmp_path)
    assert len(here.packages()) <= MOST_PACKAGES, here.packages()
    assert "No module named 'scripts'" in here.run(
        "python", "-c", "try: import scripts\nexcept ImportError as error: print(error)"
    )
    (here.folder / "compose.yml").write_text("services:\n  web:\n    image: x\n    image: y\n", encoding="utf-8")
    assert "compose.yml:4:5" in here.run("kafka-compose-lint", "compose.yml", code=1)
    assert "KC002 duplicate-key" in here.run("kafka-compose-lint", "explain", "KC002")
    here.run("backbone", "init", "mine")
    assert "clean: " in here.run("kafka-compose-lint", "--fail-on", "info", below="mine/infra")
    refused = here.run("backbone", "status", below="mine", code=4)
    assert "pip install 'messaging-backbone[stack]'" in refused


@pytest.fixture(params=FIRST_AND_LAST)
def stack(request: pytest.FixtureRequest, wheel: Path, tmp_path: Path) -> Iterator[Installed]:
    """A home with an odd name, made by an environment that has the extra."""
    here = install(PYTHONS[request.param], wheel, "[stack]", tmp_path)
    here.run("backbone", "init", ODD_NAME)
    here.run("backbone", "ports", "--shift", str(free_shift()), below=ODD_NAME)
    yield here
    here.run("backbone", "down", below=ODD_NAME)


def test_the_whole_round_in_a_folder_with_an_odd_name_and_paths_from_where_the_user_stands(stack: Installed) -> None:
    below = f"{ODD_NAME}/infra/common"
    here = stack.folder / below
    up = stack.run("backbone", "up", "--profile", "messaging", "--profile", "data", below=below)
    assert "next: backbone smoke" in up
    stack.run("backbone", "smoke", "--junit", "reports/smoke.xml", below=below)
    assert (here / "reports" / "smoke.xml").is_file()
    stack.run("backbone", "contracts", "apply", below=below)
    stack.run("backbone", "archive", "--events", "100", "--no-restart", "--junit", "../archive.xml", below=below)
    assert (here.parent / "archive.xml").is_file()
    record = {"event_id": "1", "event_type": "t", "source": "s", "occurred_at": "2026-01-31T12:00:00Z"}
    (here / "records.jsonl").write_text(json.dumps(record) + "\n", encoding="utf-8")
    stack.run("backbone", "produce", "events-topic", "--file", "records.jsonl", below=below)
    assert "clean: " in stack.run("backbone", "lint", "--fail-on", "info", below=below)
    assert "kafka-1" in stack.run("backbone", "status", below=below)
    stack.run("backbone", "down", below=below)
