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

# Answers the questions of the wrapper: is it new enough, has it venv and pip, make a .venv. The .venv it makes has a
# python that logs its calls, "installs", and tells what it was to run, by which name and where.
PYTHON = """\
#!/bin/sh
case "$*" in
    *version_info*) exit {old} ;;
    *ensurepip*) exit {bare} ;;
    "-m venv "*)
        mkdir -p "$3/bin"
        cat > "$3/bin/python" <<'END'
#!/bin/sh
echo "$*" >> "$(dirname "$0")/calls"
case "$*" in *"-m invoke "*) echo "$*" "as $BACKBONE_PROGRAM in $(pwd)"; exit 7 ;; esac
[ {pip} = 0 ] || {{ echo "no route to the index" >&2; exit 1; }}
END
        chmod +x "$3/bin/python" ;;
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

    def python(self, name: str, *, old: int = 0, bare: int = 0, pip: int = 0, folder: str = "bin") -> Path:
        path = self.root / folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(PYTHON.format(old=old, bare=bare, pip=pip), encoding="utf-8")
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
        return f"-I -m invoke --search-root {self.checkout} {words} as {program} in {self.root}\n"

    def installs(self) -> int:
        calls = self.venv / "bin" / "calls"
        return calls.read_text(encoding="utf-8").count("pip install") if calls.exists() else 0


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
    calls = (machine.venv / "bin" / "calls").read_text(encoding="utf-8")
    assert "--require-hashes" in calls


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


def test_an_environment_that_was_cut_short_is_made_again(machine: Machine) -> None:
    machine.python("python3", pip=1)
    failed = machine.invoke("up")
    assert failed.returncode == 4
    assert "no route to the index" in failed.stderr
    assert "invoke: cannot install the requirements" in failed.stderr
    machine.python("python3")
    assert machine.invoke("up").returncode == 7


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
    assert "with python3.12 " in done.stderr


def test_the_python_that_is_asked_for_is_taken(machine: Machine) -> None:
    machine.python("python3")
    own = machine.python("mine", folder="elsewhere")
    assert f"with {own} " in machine.invoke("up", PYTHON=str(own)).stderr


def test_a_python_that_is_asked_for_but_too_old_is_refused(machine: Machine) -> None:
    machine.python("python3")
    own = machine.python("mine", old=1, folder="else where")
    done = machine.invoke("up", PYTHON=str(own))
    assert done.returncode == 4
    assert done.stderr == f"invoke: PYTHON={own} is not a Python 3.11 or newer\n"


def test_a_python_without_venv_or_pip_gets_one_sentence(machine: Machine) -> None:
    machine.python("python3", bare=1)
    done = machine.invoke("up")
    assert done.returncode == 4
    assert done.stderr == "invoke: python3 has no venv or pip; on Debian and Ubuntu: apt-get install python3-venv\n"
    assert not machine.venv.exists()


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
