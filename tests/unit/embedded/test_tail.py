from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from backbone.stack.engine.embedded import tail
from backbone.stack.engine.embedded.process import LogMark
from tests.fakes import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "service.log"
    path.write_text("one\ntwo\nthree\n", encoding="utf-8")
    return path


def follow(log: Path, *writes: Callable[[], object], count: int = 10) -> list[str]:
    """Follow a log while a writer does something in each pause, and ends after the last."""
    todo = list(writes)

    def alive() -> bool:
        return bool(todo)

    clock = FakeClock(during=lambda _: todo.pop(0)())
    return list(tail.lines(log, count, follow=True, alive=alive, clock=clock))


def append(log: Path, text: str) -> Callable[[], object]:
    def write() -> None:
        with log.open("a", encoding="utf-8") as file:
            file.write(text)

    return write


@pytest.mark.parametrize(
    ("count", "expected"), [(2, ["two", "three"]), (9, ["one", "two", "three"]), (0, []), (-1, [])]
)
def test_yields_the_last_lines(log: Path, count: int, expected: list[str]) -> None:
    assert list(tail.lines(log, count, follow=False, alive=lambda: True)) == expected


def test_a_log_that_is_not_there_has_no_lines(tmp_path: Path) -> None:
    assert list(tail.lines(tmp_path / "none", 5, follow=True, alive=lambda: True)) == []


def test_bytes_that_are_no_text_don_t_stop_it(log: Path) -> None:
    log.write_bytes(b"\xff\xfe\nok\n")
    assert list(tail.lines(log, 1, follow=False, alive=lambda: True)) == ["ok"]


def test_follows_what_is_appended_until_the_writer_ends(log: Path) -> None:
    assert follow(log, append(log, "four\nfive\n"), append(log, "six\n"), count=1) == ["three", "four", "five", "six"]


def test_a_line_that_is_written_in_two_parts_is_one_line(log: Path) -> None:
    assert follow(log, append(log, "fo"), append(log, "ur\n"), count=0) == ["four"]


def test_goes_on_in_the_new_file_when_the_log_is_rolled(log: Path) -> None:
    def roll() -> None:
        append(log, "four\n")()
        log.rename(log.with_suffix(".1"))
        log.write_text("five\n", encoding="utf-8")

    assert follow(log, roll, append(log, "six\n"), count=0) == ["four", "five", "six"]


def test_waits_while_a_rolled_log_is_not_there_yet(log: Path) -> None:
    def roll() -> None:
        log.rename(log.with_suffix(".1"))

    assert follow(log, roll, lambda: log.write_text("four\n", encoding="utf-8"), count=0) == ["four"]


def test_the_last_words_of_a_writer_that_ends_are_not_lost(log: Path) -> None:
    said = iter([append(log, "last words\n")])

    def alive() -> bool:
        for write in said:
            write()
        return False

    assert list(tail.lines(log, 0, follow=True, alive=alive, clock=FakeClock())) == ["last words"]


def test_the_guilty_lines_are_the_first_errors_and_what_follows(tmp_path: Path) -> None:
    output, log = tmp_path / "output.log", tmp_path / "service.log"
    output.write_text("starting\n", encoding="utf-8")
    trace = [f"\tat line {number}" for number in range(30)]
    lines = ["[…] INFO fine", "[…] ERROR disk is full", "java.io.IOException: no space", *trace, "[…] FATAL later"]
    log.write_text("\n".join(lines), encoding="utf-8")
    told = tail.guilty([*tail.since(output), *tail.since(log)]).splitlines()
    assert told[:2] == lines[1:3]
    assert len(told) == 12


@pytest.mark.parametrize(
    "line", ["[…] FATAL x", "java.lang.IllegalStateException", "Error: could not find kafka.Kafka"]
)
def test_knows_an_error_by_its_words(line: str) -> None:
    assert tail.guilty(["fine", line]) == line


def test_without_errors_the_last_words_are_told(tmp_path: Path) -> None:
    log = tmp_path / "output.log"
    log.write_text("\n".join(f"line {number}" for number in range(40)), encoding="utf-8")
    assert tail.guilty(tail.since(log)).splitlines() == [f"line {number}" for number in range(28, 40)]


def test_evidence_begins_at_the_start_that_is_asked_about(tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    log.write_text("ERROR of twenty minutes ago\n", encoding="utf-8")
    begin = LogMark.of(log)
    assert tail.since(log, begin) == []
    append(log, "fine\nERROR of now\nmore\n")()
    assert tail.since(log, begin) == ["fine", "ERROR of now", "more"]
    log.rename(tmp_path / "service.log.1")
    log.write_text("ERROR after the log was rolled\n", encoding="utf-8")
    assert tail.since(log, begin) == ["ERROR after the log was rolled"]


def test_nothing_written_is_nothing_told(tmp_path: Path) -> None:
    assert tail.guilty(tail.since(tmp_path / "none")) == ""
