from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from invoke import Collection

from backbone.errors import ExitCode, StackError
from scripts.tasks.command import command
from scripts.tasks.program import Tasks
from tests import ROOT

if TYPE_CHECKING:
    from invoke import Context

CALLS: list[tuple[object, ...]] = []


@command(help={"code": "what to return", "fail": "raise instead"})
def show(c: Context, code: int = 0, fail: bool = False, json: bool = False) -> ExitCode:
    """Show something."""
    if fail:
        raise StackError(
            "port-in-use", "9092 is taken", context="pid 7", hint="./invoke ports", exit_code=ExitCode.ENVIRONMENT
        )
    CALLS.append(("show", code, json))
    return ExitCode(code)


@command()
def nothing(c: Context) -> None:
    """Do nothing."""
    CALLS.append(("nothing",))


@command()
def interrupted(c: Context) -> None:
    """Stop in the middle."""
    raise KeyboardInterrupt


@command()
def broken(c: Context) -> None:
    """Fail in a way that nobody understands."""
    raise ZeroDivisionError


@command(actions={"list": (), "describe": ("name",), "copy": ("name", "to")})
def things(c: Context, action: str, name: str = "", to: str = "", count: int = 3, json: bool = False) -> None:
    """Work on things."""
    CALLS.append((action, name, to, count))


def run(line: str) -> int:
    """Run a command line through Invoke and return the exit code."""
    CALLS.clear()
    tasks = Collection(show, nothing, interrupted, broken, things)
    try:
        Tasks(namespace=tasks, binary="invoke").run(["invoke", *line.split()])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.mark.parametrize("code", [0, 1, 3, 5])
def test_the_exit_code_is_what_the_body_returns(code: int) -> None:
    assert run(f"show --code {code} --json") == code
    assert [("show", code, True)] == CALLS


def test_no_return_value_is_success() -> None:
    assert run("nothing") == 0
    assert CALLS == [("nothing",)]


def test_an_error_becomes_words_and_its_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show --fail") == 4
    seen = capsys.readouterr()
    assert seen.out == ""
    assert "error[port-in-use]: 9092 is taken" in seen.err
    assert "Traceback" not in seen.err


def test_with_json_the_error_is_data_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show --fail --json") == 4
    seen = capsys.readouterr()
    assert json.loads(seen.out) == {
        "error": {
            "reference": "port-in-use",
            "message": "9092 is taken",
            "context": "pid 7",
            "hint": "./invoke ports",
            "exit_code": 4,
        }
    }
    assert "error[port-in-use]" in seen.err


def test_an_interrupt_is_130(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("interrupted") == 130
    assert "Traceback" not in capsys.readouterr().err


def test_what_nobody_understands_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        run("broken")


@pytest.mark.parametrize(
    ("line", "call"),
    [
        ("things list", ("list", "", "", 3)),
        ("things list --count 5", ("list", "", "", 5)),
        ("things describe a", ("describe", "a", "", 3)),
        ("things describe --count 5 a", ("describe", "a", "", 5)),
        ("things describe --name a", ("describe", "a", "", 3)),
        ("things copy a b", ("copy", "a", "b", 3)),
    ],
)
def test_each_action_takes_its_own_arguments(line: str, call: tuple[object, ...]) -> None:
    assert run(line) == 0
    assert [call] == CALLS


def test_an_action_may_be_followed_by_another_task() -> None:
    assert run("things list nothing") == 0
    assert CALLS == [("list", "", "", 3), ("nothing",)]


@pytest.mark.parametrize("line", ["things", "things describe", "things copy a"])
def test_a_missing_argument_is_told(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(line) != 0
    assert CALLS == []
    seen = capsys.readouterr()
    assert "did not receive required positional arguments" in seen.err
    assert "Traceback" not in seen.err


def test_an_unknown_action_is_told_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("things remove") == 2
    seen = capsys.readouterr()
    assert CALLS == []
    assert "error[unknown-action]: things has no action 'remove'" in seen.err
    assert "actions: list, describe NAME, copy NAME TO" in seen.err


def test_a_flag_that_wants_a_number_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show --code many") == 2
    seen = capsys.readouterr()
    assert CALLS == []
    assert "'many'" in seen.err
    assert "Traceback" not in seen.err


@pytest.mark.parametrize("line", ["things describe a --count many", "show --unknown", "shwo"])
def test_bad_flags_and_unknown_tasks_are_told_without_a_traceback(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(line) != 0
    assert "Traceback" not in capsys.readouterr().err
    assert CALLS == []


def test_help_shows_the_docstring_and_each_flag(capsys: pytest.CaptureFixture[str]) -> None:
    @command(help={"count": "how many"})
    def work(c: Context, count: int = 3) -> None:
        """Do some work."""

    with pytest.raises(SystemExit):
        Tasks(namespace=Collection(work), binary="invoke").run(["invoke", "--help", "work"])
    seen = capsys.readouterr().out
    assert "Do some work." in seen
    assert "how many" in seen
    assert "--count=INT" in seen


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_task_that_is_told_to_end_puts_back_what_it_broke(number: signal.Signals) -> None:
    code = (
        "import signal, time\n"
        f"signal.signal({int(number)}, signal.{'default_int_handler' if number == signal.SIGINT else 'SIG_DFL'})\n"
        "from invoke import Collection, Program\n"
        "from scripts.tasks.command import command\n"
        "@command()\n"
        "def work(c):\n"
        "    try:\n"
        "        print('broken', flush=True)\n"
        "        time.sleep(60)\n"
        "    finally:\n"
        "        print('put back', flush=True)\n"
        "Program(namespace=Collection(work), binary='invoke').run(['invoke', 'work'])\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as task:
        assert task.stdout is not None
        assert task.stdout.readline() == b"broken\n"
        task.send_signal(number)
        out, err = task.communicate(timeout=30)
    assert out == b"put back\n"
    assert err == b"interrupted\n"
    assert task.returncode == ExitCode.INTERRUPTED


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(30, "Read-only file system", "/data/x"), "cannot read or write /data/x"),
        (OSError(28, "No space left on device"), "cannot read or write a file"),
        (IsADirectoryError(21, "Is a directory", b"/data/\xff"), "cannot read or write /data/"),
    ],
)
def test_what_the_disk_refuses_is_told_with_its_path(
    error: OSError, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    @command()
    def work(c: Context) -> None:
        """Write."""
        raise error

    with pytest.raises(SystemExit) as caught:
        Tasks(namespace=Collection(work), binary="invoke").run(["invoke", "work"])
    seen = capsys.readouterr().err
    assert caught.value.code == ExitCode.ENVIRONMENT
    assert f"error[file-refused]: {told}" in seen
    assert str(error.strerror) in seen


def test_an_error_about_no_file_keeps_its_traceback() -> None:
    @command()
    def work(c: Context) -> None:
        """Connect."""
        raise ConnectionResetError(104, "Connection reset by peer")

    with pytest.raises(ConnectionResetError):
        Tasks(namespace=Collection(work), binary="invoke").run(["invoke", "work"])


def test_a_reader_that_goes_away_is_no_failure() -> None:
    code = (
        "from invoke import Collection, Program\n"
        "from scripts.tasks.command import command\n"
        "@command()\n"
        "def many(c):\n"
        "    import sys\n"
        "    sys.stdout.writelines('line\\n' for _ in range(200_000))\n"
        "    sys.stdout.flush()\n"
        "Program(namespace=Collection(many), binary='invoke').run(['invoke', 'many'])\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        assert writer.stderr is not None
        assert writer.stdout.readline() == b"line\n"
        writer.stdout.close()
        assert writer.stderr.read() == b""
        assert writer.wait(30) == 0
