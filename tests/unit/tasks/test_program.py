"""The command line around the tasks: lists, help, what was probably meant, and what a shell offers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from scripts.tasks import completion, verify
from scripts.tasks.collection import collect
from tests import ROOT

if TYPE_CHECKING:
    from pathlib import Path

TASKS = collect(verify)


def run(*words: str, form: str = "./invoke") -> tuple[int, str, str]:
    """Run a command line as ./invoke does (the program itself), or as Invoke's own program does (it hands over)."""
    start = [sys.executable, "-I", str(ROOT / "tasks.py")]
    if form == "invoke":
        start = [sys.executable, "-m", "invoke"]
    env = {name: value for name, value in os.environ.items() if name != "BACKBONE_PROGRAM"}
    done = subprocess.run([*start, *words], cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("form", ["./invoke", "invoke"])
def test_no_task_lists_them_all(form: str) -> None:
    code, out, err = run(form=form)
    assert (code, err) == (0, "")
    assert all(f"  {name} " in out for name in TASKS.task_names)


@pytest.mark.parametrize("form", ["./invoke", "invoke"])
@pytest.mark.parametrize(
    "words", ["topics --help", "topics create --help", "topics create x -h", "--help topics", "topics list --help"]
)
def test_a_tasks_help_needs_nothing_else(words: str, form: str) -> None:
    code, out, err = run(*words.split(), form=form)
    assert (code, err) == (0, "")
    assert "--replicas" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("topcs list", "error[unknown-task]: there is no task 'topcs'; did you mean topics?"),
        ("--lst", "error[unknown-flag]: there is no flag --lst; did you mean --list?"),
        ("topics list --jsn", "error[unknown-flag]: topics has no flag --jsn; did you mean --json?"),
        ("topics create x --config k=v", "error[unknown-flag]: topics has no flag --config; did you mean --set?"),
        ("topics list more", "error[unknown-task]: topics takes no 'more', and there is no task of that name"),
        ("--help nonsense", "error[unknown-task]: there is no task 'nonsense'"),
        ("topics", "error[usage]: 'topics' did not receive required positional arguments: 'action'"),
        ("logs kafka-1 --tail", "error[usage]: --tail needs a value"),
        ("consume x --last y", "error[usage]: --last wants a whole number, not 'y'"),
        ("up --timeout -5", "error[usage]: --timeout wants a number from 0, not -5"),
        ("snapshot sav x", "error[unknown-task]: snapshot takes no 'x', and has no action 'sav'; did you mean save?"),
        ("snapshot nonsense x", "error[unknown-task]: snapshot takes no 'x', and has no action 'nonsense': save, list"),
        ("topics lst", "error[unknown-action]: topics has no action 'lst'; did you mean list?"),
        ("--print-completion-script csh", "error[unknown-shell]: there is no completion for 'csh'"),
    ],
)
def test_a_slip_is_told_with_what_was_probably_meant(words: str, said: str) -> None:
    code, out, err = run(*words.split())
    assert (code, out) == (2, "")
    assert err.startswith(said)
    assert "= help: ./invoke " in err


def test_a_slip_is_data_with_json() -> None:
    code, out, _ = run("statsu", "--json")
    assert (code, json.loads(out)["error"]["reference"]) == (2, "unknown-task")


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["sm"], ["smoke"]),
        (["--l"], ["--list"]),
        (["topics", "de"], ["delete", "describe"]),
        (["topics", "describe", ""], []),
        (["topics", "create", "x", "--re"], ["--replicas"]),
        (["up", "--no-w"], ["--no-wait"]),
        (["groups", "list", "--json", "--js"], []),
        (["nonsense", "it's", ""], sorted(TASKS.task_names)),
    ],
)
def test_what_a_shell_offers(words: list[str], offered: list[str]) -> None:
    assert completion.candidates(words, TASKS) == offered


def test_the_program_answers_a_shell() -> None:
    assert run("--complete", "--", "topics", "cr") == (0, "create\n", "")


TYPED = {
    "bash": "COMP_WORDS=({program} topics de); COMP_CWORD=2; _backbone_tasks {program} de; echo ${{COMPREPLY[@]}}",
    "fish": "complete --do-complete '{program} topics de' | string join ' '",
}


@pytest.mark.parametrize("shell", completion.SCRIPTS)
def test_each_shell_takes_its_script_and_offers_what_the_program_says(shell: str, tmp_path: Path) -> None:
    found = shutil.which(shell)
    if found is None and shell != "bash":
        assert "--complete -- " in completion.SCRIPTS[shell]
        return
    program = tmp_path / "invoke"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -I {ROOT}/tasks.py "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    script = completion.SCRIPTS[shell]
    if shell == "zsh":
        # compadd works inside the line editor only; here it tells what it was given.
        typed = "compadd() { print -- ${(P)2} }; words=(./invoke topics de); CURRENT=3; _backbone_tasks"
        script = "compdef() { : }\n" + script
    else:
        typed = TYPED[shell].format(program="./invoke")
    done = subprocess.run([str(found), "-c", script + typed], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("delete describe\n", "")


@pytest.mark.parametrize(
    "odd",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONOPTIMIZE": "2"},
        {"PYTHONOPTIMIZE": "1"},
    ],
)
@pytest.mark.parametrize("words", ["up --help", "explain KC002", "rules --json", "--help kö"])
def test_the_users_python_and_terminal_change_no_help(words: str, odd: dict[str, str]) -> None:
    program = "from scripts.tasks.program import main; main()"
    env = {**os.environ, "BACKBONE_PROGRAM": "backbone", **odd}
    argv = [sys.executable, "-c", program, *words.split()]
    done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" not in done.stderr
    plain = subprocess.run(
        argv, cwd=ROOT, env=env | dict.fromkeys(odd, ""), capture_output=True, text=True, check=False
    )
    assert done.returncode == plain.returncode
    if "PYTHONOPTIMIZE" in odd:
        assert done.stdout == plain.stdout
    elif "--json" in words:
        assert json.loads(done.stdout) == json.loads(plain.stdout)
