"""The wheel in empty environments, with no checkout near: what somebody sees who has only the package."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests import ROOT
from tests.e2e.checkout import free_shift

if TYPE_CHECKING:
    from collections.abc import Iterator

ODD_NAME = """it's "my" stäck ☕ $HOME #1 a=b;c&d """.ljust(200, "x")
"""Blanks, quotes, letters beyond ASCII, what shells and URLs treat specially, and 200 characters."""

MOST_PACKAGES = 12
_INSTALL_S = 900
_TASK_S = 300
_EXAMPLE_S = 240  # two minutes, and as much again on a busy machine
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
OLDEST = next(iter(PYTHONS))
NEWEST = list(PYTHONS)[-1]


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel in it, and a folder far from any checkout to work in."""

    venv: Path
    folder: Path

    @property
    def env(self) -> dict[str, str]:
        """The environment of its programs: stacks that belong to no folder are in a place of their own."""
        env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "BACKBONE_"))}
        return env | {"STACK_ENGINE": "embedded", "XDG_DATA_HOME": str(self.folder.parent / "data")}

    def run(self, program: str, *words: str, below: str = ".", code: int = 0) -> str:
        """Run a program of the environment in a folder, see how it exits, and return all it printed."""
        return self.see([str(self.venv / "bin" / program), *words], self.env, below, code)

    def see(self, argv: list[str], env: dict[str, str], below: str = ".", code: int = 0) -> str:
        """Run a command in a folder, see how it exits, and return all it printed."""
        done = subprocess.run(
            argv,
            cwd=self.folder / below,
            env=env,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_TASK_S,
        )
        assert "Traceback" not in done.stdout
        assert done.returncode == code, f"{argv} exited {done.returncode}\n{done.stdout}"
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
    python = PYTHONS[NEWEST]
    argv = [str(python), "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(argv, check=True, timeout=_INSTALL_S)
    (built,) = folder.glob("*.whl")
    return built


def install(python: Path, wheel: Path, extra: str, folder: Path, *more: str) -> Installed:
    venv = folder / "venv"
    subprocess.run([python, "-m", "venv", venv], check=True, timeout=_INSTALL_S)
    argv = [str(venv / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", f"{wheel}{extra}", *more]
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


@pytest.fixture
def stack(wheel: Path, tmp_path: Path) -> Iterator[Installed]:
    """A home with an odd name, made by an environment of the oldest Python that has the extra."""
    here = install(PYTHONS[OLDEST], wheel, "[stack]", tmp_path)
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


@pytest.fixture
def newest(wheel: Path, tmp_path: Path) -> Installed:
    """An environment of the newest Python with the extra and pytest, and no home."""
    return install(PYTHONS[NEWEST], wheel, "[stack]", tmp_path, "pytest")


def test_the_example_project_is_green_and_leaves_nothing(newest: Installed) -> None:
    shutil.copytree(ROOT / "examples" / "pytest_project", newest.folder / "shop")
    wanted = re.findall(r"(?m)^def (test_\w+)", (newest.folder / "shop/test_shop.py").read_text(encoding="utf-8"))
    began = time.monotonic()
    said = newest.run("python", "-m", "pytest", "-p", "no:cacheprovider", below="shop")
    seconds = time.monotonic() - began
    assert f"{len(wanted)} passed" in said
    assert seconds < _EXAMPLE_S, said
    assert not _ours(newest)
    print(f"the example project took {seconds:.0f} s")  # noqa: T201 - the figure is told, see docs/in-your-tests.md


def _ours(here: Installed) -> list[str]:
    """Return the services of this environment's stacks that run."""
    said = here.run("backbone", "stacks", "--json")  # with what it says of other people's on this machine before it
    found = json.loads(said[said.index("{\n") :])["stacks"]
    return [each["services"] for each in found if Path(each["folder"]).is_relative_to(here.folder.parent)]


def test_the_commands_of_the_page_for_gitlab_do_what_it_says(newest: Installed) -> None:
    page = (ROOT / "docs" / "in-your-ci.md").read_text(encoding="utf-8")
    (job,) = (yaml.safe_load(block)["test"] for block in re.findall(r"```yaml\n(test:.*?)```", page, re.DOTALL))
    installed, *script = job["script"]
    assert installed.startswith('pip install --quiet "messaging-backbone[stack]==')  # which the fixture has done
    env = newest.env | {
        name: value.replace("$CI_PROJECT_DIR", str(newest.folder)) for name, value in job["variables"].items()
    }
    env |= {"PATH": f"{newest.venv / 'bin'}:{env['PATH']}", "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", "")}
    moved = f"backbone ports --shift {free_shift()}"
    newest.see(["bash", "-ec", "\n".join([script[0], moved, *script[1:]])], env)
    newest.see(["bash", "-c", "\n".join(job["after_script"])], env)
    assert {"doctor.txt", "kafka-1.log", "schema-registry.log"} <= {
        path.name for path in (newest.folder / "backbone-logs").iterdir()
    }
    assert not _ours(newest)
