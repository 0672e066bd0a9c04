from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys

import pytest

from backbone import console
from backbone.errors import StackError
from tests import ROOT


def test_words_go_to_stderr_and_data_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    console.say("for a person")
    console.print_json({"port": 9092, "name": "größe"})
    console.write_lines(["A=1", "B=2"])
    seen = capsys.readouterr()
    assert seen.err == "for a person\n"
    document, rest = json.JSONDecoder().raw_decode(seen.out)
    assert document == {"port": 9092, "name": "größe"}
    assert seen.out[rest:] == "\nA=1\nB=2\n"


def test_a_table_off_a_terminal_is_tab_separated(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_table(("NAME", "PID"), [("kafka-1", 7), ("kafka-2", None), ("[b]", "x")])
    assert capsys.readouterr().out == "NAME\tPID\nkafka-1\t7\nkafka-2\t\n[b]\tx\n"


def test_an_error_shows_reference_evidence_and_help_unchanged(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_error(
        StackError("port-in-use", "[/9092] is taken", context="pid 7 [java]\nsecond", hint="./invoke ports\nthen up")
    )
    seen = capsys.readouterr()
    assert seen.out == ""
    assert seen.err == (
        "error[port-in-use]: [/9092] is taken\n"
        "  | pid 7 [java]\n"
        "  | second\n"
        "  = help: ./invoke ports\n"
        "  = note: then up\n"
    )


def test_an_error_without_evidence_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_error(StackError("no-broker", "none answers"))
    assert capsys.readouterr().err == "error[no-broker]: none answers\n"


def test_no_terminal_means_no(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n"))
    assert not console.confirm("remove it?")
    assert "remove it?" not in capsys.readouterr().err


def on_a_terminal(code: str, typed: str, **environ: str) -> str:
    """Run Python on a pseudo-terminal, type something, and return all that appeared there."""
    ours, theirs = pty.openpty()
    program = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "TERM": "xterm-256color", **environ},
    )
    os.close(theirs)
    os.write(ours, typed.encode())
    seen = b""
    try:
        while piece := os.read(ours, 4096):
            seen += piece
    except OSError:  # Linux's way to say that the other side has gone
        pass
    finally:
        os.close(ours)
    assert program.wait(timeout=30) == 0, seen
    return seen.decode()


@pytest.mark.parametrize(
    ("typed", "answer"), [("y\n", True), ("YES\n", True), ("n\n", False), ("\n", False), ("maybe\n", False)]
)
def test_asks_on_a_terminal(typed: str, answer: bool) -> None:
    seen = on_a_terminal("from backbone import console; print('->', console.confirm('remove it?'))", typed)
    assert "remove it? [y/N]" in seen
    assert f"-> {answer}" in seen


def test_colours_only_where_they_are_wanted() -> None:
    code = "from backbone import console; console.say('[bold red]x[/]')"
    assert "\x1b[" in on_a_terminal(code, "")
    assert "\x1b[3" not in on_a_terminal(code, "", NO_COLOR="1")


def test_a_terminal_gets_a_live_table_that_goes_away() -> None:
    code = (
        "from backbone import console\n"
        "with console.Waiting(9) as waiting: waiting.show([('kafka-1', 'healthy')], '1 of 3 [brokers]', 2.0)\n"
        "console.print_table(('NAME',), [('[kafka-1]',)])"
    )
    seen = on_a_terminal(code, "")
    assert "2 s of 9 s" in re.sub(r"\x1b\[[0-9;]*m", "", seen)
    assert "1 of 3 [brokers]" in seen
    assert "[kafka-1]" in seen


def test_tells_a_wait_line_by_line_and_only_what_changed(capsys: pytest.CaptureFixture[str]) -> None:
    with console.Waiting(60) as waiting:
        waiting.show([("kafka-1", "starting"), ("kafka-2", "starting")], "0 of 2 brokers", 0.0)
        waiting.show([("kafka-1", "starting"), ("kafka-2", "starting")], "0 of 2 brokers", 1.0)
        waiting.show([("kafka-1", "healthy"), ("kafka-2", "starting")], "1 of 2 brokers", 2.0)
        waiting.show([("kafka-1", "healthy"), ("kafka-2", "healthy")], "", 3.5)
    told = [line.split() for line in capsys.readouterr().err.splitlines()]
    assert [line[0] for line in told] == ["0.0", "0.0", "0.0", "2.0", "2.0", "3.5", "3.5"]
    assert told[-1] == ["3.5", "s", "cluster:", "ready"]


def test_tells_a_download_in_tenths(capsys: pytest.CaptureFixture[str]) -> None:
    with console.download(3, 20_000_000) as advance:
        for _ in range(20):
            advance(1_000_000)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("downloading 3 files, 20 MB")
    assert [line.strip() for line in lines[1:-1]] == [f"{tenth * 10} %" for tenth in range(1, 11)]
    assert lines[-1] == "downloaded 3 files, 20 MB"


def test_a_download_that_brings_more_than_was_said_stays_at_100(capsys: pytest.CaptureFixture[str]) -> None:
    with console.download(1, 10) as advance:
        advance(25)
        advance(25)
    assert [line.strip() for line in capsys.readouterr().err.splitlines()[1:-1]] == ["100 %"]


def test_a_failed_download_is_not_called_done(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(StackError), console.download(1, 10):
        raise StackError("download-failed", "no network")
    assert "downloaded" not in capsys.readouterr().err


WIDE = """
from backbone import console
rows = [
    ("schema-registry", "running", "healthy", "pid 2345678", "8081,8091", "3 h 25 min", "412 MiB", ""),
    ("kafka-2", "exited", "", "", "9094", "", "", "died"),
]
console.print_table(
    ("SERVICE", "STATE", "HEALTH", "WHERE", "PORTS", "UPTIME", "MEMORY", ""),
    rows,
    spare=("WHERE", "PORTS", "MEMORY", "UPTIME", "HEALTH"),
)
"""


@pytest.mark.parametrize(
    ("width", "head"),
    [
        (120, "SERVICE STATE HEALTH WHERE PORTS UPTIME MEMORY"),
        (80, "SERVICE STATE HEALTH PORTS UPTIME MEMORY"),
        (60, "SERVICE STATE HEALTH UPTIME MEMORY"),
        (30, "SERVICE STATE"),
    ],
)
def test_a_narrow_terminal_loses_columns_and_no_letter(width: int, head: str) -> None:
    seen = on_a_terminal(WIDE, "", COLUMNS=str(width), NO_COLOR="1").replace("\r", "")
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in seen.splitlines() if line.strip()]
    assert lines[0].split() == head.split()
    assert [line.split()[0] for line in lines] == ["SERVICE", "schema-registry", "kafka-2"]
    assert lines[2].endswith("died")
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.4, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (12345, "3 h 25 min"), (360_000, "4 d 4 h")],
)
def test_a_time_is_told_in_the_units_of_a_person(seconds: float, said: str) -> None:
    assert console.duration(seconds) == said


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 KiB"), (524_288, "512 KiB"), (9 << 20, "9.0 MiB"), (412 << 20, "412 MiB"), (1_500_000_000, "1.4 GiB")],
)
def test_a_size_is_told_in_the_units_of_a_person(count: int, said: str) -> None:
    assert console.size(count) == said
