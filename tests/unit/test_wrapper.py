"""The wrapper ./invoke, with pythons on PATH that behave as those of strange machines do."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests import ROOT

if TYPE_CHECKING:
    from pathlib import Path

TOOLS = ("sh", "dirname", "cp", "rm", "mkdir", "cat", "chmod")
LOCK = "invoke==3.0.3 --hash=sha256:00\n"

# Answers the questions of the wrapper: is it new enough, make a .venv. The .venv it makes has a python that tells what
# it was to run, by which name and where.
PYTHON = """\
#!/bin/sh
case "$*" in
    *version_info*) exit {old} ;;
    "-I "*/scripts/environment.py)
        echo "making .venv with $0" >&2
        [ {fails} = 0 ] || exit {fails}
        root=$(dirname "$(dirname "$2")")
        rm -rf "$root/.venv"
        mkdir -p "$root/.venv/bin"
        echo made >> "$root/made"
        cat > "$root/.venv/bin/python" <<'END'
#!/bin/sh
echo "$*" "as $BACKBONE_PROGRAM in $(pwd)${{PYTHONPATH:+ with a path}}${{PYTHONHOME:+ with a home}}"
exit 7
END
        chmod +x "$root/.venv/bin/python"
        cp "$root/requirements/runtime.txt" "$root/.venv/requirements.txt" ;;
esac
"""


@dataclass
class Machine:
    """A checkout in a folder with a blank in its name, and a PATH with nothing but what a test puts there."""

    root: Path

    @property
    def checkout(self) -> Path:
        return self.root / "a checkout"

    @property
    def venv(self) -> Path:
        return self.checkout / ".venv"

    def python(self, name: str, *, old: int = 0, fails: int = 0, folder: str = "bin") -> Path:
        path = self.root / folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(PYTHON.format(old=old, fails=fails), encoding="utf-8")
        path.chmod(0o755)
        return path

    def invoke(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.checkout / "invoke"), *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd=self.root,
            env={"PATH": str(self.root / "bin"), **environ},
            timeout=60,
        )

    def told(self, words: str) -> str:
        """What the python of the .venv prints when it is to run a task: isolated, from where the user stands."""
        program = self.checkout / "invoke"
        return f"-I {self.checkout}/tasks.py {words} as {program} in {self.root}\n"

    def installs(self) -> int:
        made = self.checkout / "made"
        return made.read_text(encoding="utf-8").count("made") if made.exists() else 0


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    (made.checkout / "requirements").mkdir(parents=True)
    (made.checkout / "requirements" / "runtime.txt").write_text(LOCK, encoding="utf-8")
    shutil.copy(ROOT / "invoke", made.checkout / "invoke")
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found, tool
        (tmp_path / "bin" / tool).symlink_to(found)
    return made


def test_makes_the_environment_once_and_runs_the_task_with_its_arguments_and_exit_code(machine: Machine) -> None:
    machine.python("python3")
    first = machine.invoke("up", "--profile", "a b")
    assert (first.stdout, first.returncode) == (machine.told("up --profile a b"), 7)
    assert "making .venv" in first.stderr
    again = machine.invoke("status")
    assert (again.stdout, again.stderr) == (machine.told("status"), "")
    assert machine.installs() == 1


def test_an_environment_that_is_up_to_date_needs_no_python_on_path(machine: Machine) -> None:
    machine.python("python3").rename(machine.root / "python-of-this-test")
    assert machine.invoke("up", PYTHON=str(machine.root / "python-of-this-test")).returncode == 7
    assert machine.invoke("up").returncode == 7
    assert machine.installs() == 1


def test_an_environment_of_an_older_lock_is_made_again(machine: Machine) -> None:
    machine.python("python3")
    machine.invoke()
    (machine.venv / "left-over").touch()
    (machine.checkout / "requirements" / "runtime.txt").write_text("invoke==3.0.4\n", encoding="utf-8")
    assert "making .venv" in machine.invoke().stderr
    assert not (machine.venv / "left-over").exists()


def test_an_environment_whose_python_has_gone_is_made_again(machine: Machine) -> None:
    machine.python("python3")
    machine.invoke()
    (machine.venv / "bin" / "python").unlink()
    (machine.venv / "bin" / "python").symlink_to("/no/such/python")
    done = machine.invoke("up")
    assert "making .venv" in done.stderr
    assert done.returncode == 7


def test_an_environment_that_cannot_be_made_ends_it_and_is_tried_again(machine: Machine) -> None:
    machine.python("python3", fails=4)
    assert machine.invoke("up").returncode == 4
    machine.python("python3")
    assert machine.invoke("up").returncode == 7


def test_the_settings_of_the_users_own_python_are_kept_out(machine: Machine) -> None:
    machine.python("python3")
    done = machine.invoke("up", PYTHONPATH="/mine", PYTHONHOME="/no/such")
    assert done.stdout == machine.told("up")


def test_a_shell_that_completes_a_line_makes_no_environment(machine: Machine) -> None:
    machine.python("python3")
    done = machine.invoke("--complete", "--", "u")
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    assert not machine.venv.exists()


@pytest.mark.parametrize("names", [[], ["python3"], ["python3", "python3.11", "python"]])
def test_no_python_or_only_old_ones_get_one_sentence(machine: Machine, names: list[str]) -> None:
    for name in names:
        machine.python(name, old=1)
    done = machine.invoke("up")
    assert done.returncode == 4
    assert done.stdout == ""
    assert done.stderr == (
        "invoke: no Python 3.11 or newer was found on PATH; install one, or say PYTHON=/path/to/python ./invoke up\n"
    )
    assert not machine.venv.exists()


def test_a_newer_python_is_taken_when_the_first_is_too_old(machine: Machine) -> None:
    machine.python("python3", old=1)
    machine.python("python3.12")
    done = machine.invoke("up")
    assert done.returncode == 7
    assert done.stderr.endswith("/python3.12\n")


def test_the_python_that_is_asked_for_is_taken(machine: Machine) -> None:
    machine.python("python3")
    own = machine.python("mine", folder="elsewhere")
    assert f"with {own}\n" in machine.invoke("up", PYTHON=str(own)).stderr


def test_a_python_that_is_asked_for_but_too_old_is_refused(machine: Machine) -> None:
    machine.python("python3")
    own = machine.python("mine", old=1, folder="else where")
    done = machine.invoke("up", PYTHON=str(own))
    assert done.returncode == 4
    assert done.stderr == f"invoke: PYTHON={own} is not a Python 3.11 or newer\n"


def test_a_checkout_that_was_moved_works_without_making_its_environment_again(machine: Machine) -> None:
    machine.python("python3")
    machine.invoke("up")
    machine.checkout.rename(machine.root / "elsewhere")
    machine.checkout.symlink_to("elsewhere", target_is_directory=True)
    assert machine.invoke("up").stderr == ""
    assert machine.installs() == 1


def test_hints_name_the_wrapper_as_the_user_called_it(machine: Machine) -> None:
    machine.python("python3")
    env = {"PATH": str(machine.root / "bin")}
    said = subprocess.run(
        ["sh", "invoke", "up"], cwd=machine.checkout, env=env, check=False, capture_output=True
    ).stdout
    assert b"as ./invoke in" in said
