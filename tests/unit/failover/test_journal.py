"""A history on disk outlives the process that wrote it, and says when it is not whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from itertools import count
from pathlib import Path

import pytest

from backbone.errors import StackError
from backbone.failover.checker import check
from backbone.failover.entries import (
    Acknowledged,
    Committed,
    Delivered,
    Event,
    Failed,
    FaultBegun,
    Fenced,
    Healed,
    Invoked,
    Killed,
    PassBegun,
    Promised,
    Proved,
    ReadBack,
    SawBrokers,
    SawController,
    SawOffsets,
    SawPartition,
    Slept,
    Stopped,
    Unknown,
    Watched,
    from_line,
)
from backbone.failover.history import Entry, Record, Send, Terms
from backbone.failover.journal import Journal, load
from backbone.failover.verdict import judge

ROOT = Path(__file__).parents[3]
A = Record("p0.0", 0, 1)


def journal(folder: Path, name: str = "run") -> Journal:
    ticks = count(1)
    return Journal(folder / f"{name}.jsonl", clock=lambda: next(ticks))


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    book = journal(tmp_path)
    book.write(Promised(asdict(Terms(partitions=1))))
    book.write(Invoked(*A, 0))
    book.write(Acknowledged(*A, 7))
    book.write(Delivered("c/1", 0, 7, A.writer, A.n))
    book.write(Delivered("c/1", 0, 8, None, None))
    book.write(Fenced(*A))
    book.write(PassBegun("one", [0]))
    book.write(ReadBack("one", 0, 7, A.writer, A.n))
    book.write(FaultBegun(1, "kill", "leader (broker 1)", [1], quorum_lost=False))
    book.write(Proved(1, holds=True, evidence="exit status -9"))
    book.write(Healed(1))
    book.write(SawPartition("2#1", 0, 1, 4, [1, 2, 3]))
    book.write(SawBrokers("2#1", [1, 2]))
    book.write(SawOffsets(0, 4, 0, 8))
    book.write(Committed("g", 0, 8))
    book.write(SawController("2#1", 3, 9))
    book.write(Watched("observer"))
    book.write(Slept(2.5))
    book.write(Stopped("a disk is full; free it"))
    book.close()
    history = load(tmp_path)
    assert history.terms == Terms(partitions=1)
    assert history.sends == [Send(A, 0, 2, 3, "ok", 7)]
    assert [one.record for one in history.deliveries] == [A, None]
    assert history.fences == {0: A}
    assert history.passes[0].logs == {0: [Entry(7, A)]}
    (fault,) = history.faults
    assert (fault.proved, fault.evidence, fault.nodes, fault.healed, fault.recovered) == (
        True,
        "exit status -9",
        (1,),
        11,
        None,
    )
    assert history.partitions[0].isr == (1, 2, 3)
    assert history.brokers[0].alive == (1, 2)
    assert history.offsets[0].high_watermark == 8
    assert history.commits[0].offset == 8
    assert history.controllers[0].leader == 3
    assert history.truncated == ()
    assert history.watched == {"observer": 17, "producer": 19, "consumer": 19}
    assert (history.slept, history.stopped) == (2.5, "a disk is full; free it")
    assert {violation.rule for violation in check(history)} == {"O5", "O6"}  # the damaged one at 8 is read


def test_no_answer_is_no_certainty(tmp_path: Path) -> None:
    book = journal(tmp_path)
    for n, outcome in enumerate((None, Unknown, Failed), 1):
        book.write(Invoked("p", 0, n, 0))
        if outcome:
            book.write(outcome("p", 0, n, "KafkaTimeoutError"))
    book.close()
    assert [send.outcome for send in load(tmp_path).sends] == ["info", "info", "fail"]
    assert load(tmp_path).sends[0].completed is None


def test_a_fault_without_proof_is_not_proved(tmp_path: Path) -> None:
    book = journal(tmp_path)
    book.write(FaultBegun(1, "kill", "leader", [1], quorum_lost=False))
    book.close()
    assert not load(tmp_path).faults[0].proved


def test_a_pass_that_read_nothing_is_a_pass(tmp_path: Path) -> None:
    book = journal(tmp_path)
    book.write(PassBegun("one", [0, 1]))
    book.close()
    assert load(tmp_path).passes[0].logs == {0: [], 1: []}


def test_a_killed_writer_leaves_everything_it_wrote(tmp_path: Path) -> None:
    code = (
        "import os, sys, pathlib, signal; from backbone.failover.journal import Journal, Invoked;"
        "book = Journal(pathlib.Path(sys.argv[1]));"
        "[book.write(Invoked('p', 0, n, 0)) for n in range(1, 1001)];"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "producer.jsonl")], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    history = load(tmp_path)
    assert [send.record.n for send in history.sends] == list(range(1, 1001))
    assert history.truncated == ("producer",)
    assert judge(history).answer == "unknown"


def test_a_torn_last_line_is_no_event(tmp_path: Path) -> None:
    book = journal(tmp_path)
    book.write(Invoked(*A, 0))
    with (tmp_path / "run.jsonl").open("ab") as file:
        file.write(b'["ok",3,"p0.0",0')
    history = load(tmp_path)
    assert history.sends[0].outcome == "info"
    assert history.truncated == ("run",)


def test_a_process_that_was_killed_on_purpose_is_excused(tmp_path: Path) -> None:
    producer, run = journal(tmp_path, "producer-0.0"), journal(tmp_path)
    producer.write(Invoked(*A, 0))
    run.write(Killed("producer-0.0"))
    run.close()
    assert load(tmp_path).truncated == ()


def test_events_of_several_processes_come_in_the_order_of_time(tmp_path: Path) -> None:
    for name, times in (("a", (1, 5)), ("b", (3, 7))):
        book = journal(tmp_path, name)
        for at in times:
            book.write(Committed("g", 0, at), at=at)
        book.close()
    assert [commit.at for commit in load(tmp_path).commits] == [1, 3, 5, 7]


def test_a_journal_is_never_written_over(tmp_path: Path) -> None:
    journal(tmp_path).close()
    with pytest.raises(FileExistsError):
        journal(tmp_path)


def test_nothing_to_load_and_nonsense_are_explained(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="no-history"):
        load(tmp_path)
    (tmp_path / "run.jsonl").write_text('["end",1]\nnonsense\n')
    with pytest.raises(StackError, match="line 2 of run"):
        load(tmp_path)


def test_lines_of_many_threads_are_whole(tmp_path: Path) -> None:
    book = Journal(tmp_path / "run.jsonl")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: book.write(Committed("g" * (n % 50), 0, n)), range(2000)))
    book.close()
    assert sorted(commit.offset for commit in load(tmp_path).commits) == list(range(2000))


EVENTS = [
    Invoked("p", 0, 1, 5),
    Acknowledged("p", 0, 1, None),
    Delivered("c/1", 0, 7, None, None),
    SawPartition("2#1", 0, 1, 4, [1, 2, 3]),
    FaultBegun(1, "kill", "leader", [1], quorum_lost=True),
    Promised({"partitions": 1}),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.kind)
def test_a_line_tells_its_event(event: Event) -> None:
    assert from_line(event.line(9)) == (9, event)


@pytest.mark.parametrize("line", ["{}", "[]", '["ok"]', '["ok",1]', '["new",1]', '["end",1,2]', "7", '"end"'])
def test_what_is_no_line_is_told(line: str, tmp_path: Path) -> None:
    (tmp_path / "run.jsonl").write_text(line + "\n", encoding="utf-8")
    with pytest.raises(StackError, match="bad-history"):
        load(tmp_path)


def test_after_a_write_that_failed_there_is_no_further_one(tmp_path: Path) -> None:
    book = journal(tmp_path)
    book.write(Invoked(*A, 0))
    whole, full = os.dup(book._file), os.open("/dev/full", os.O_WRONLY)  # noqa: SLF001 - a disk that is full now
    os.dup2(full, book._file)  # noqa: SLF001
    with pytest.raises(OSError, match="No space left"):
        book.write(Acknowledged(*A, 1))
    os.dup2(whole, book._file)  # noqa: SLF001 - and has room again
    with pytest.raises(OSError, match="No space left"):
        book.write(Acknowledged(*A, 1))
    with pytest.raises(OSError, match="No space left"):
        book.close()
    history = load(tmp_path)
    assert history.truncated == ("run",)
    assert [send.outcome for send in history.sends] == ["info"]
