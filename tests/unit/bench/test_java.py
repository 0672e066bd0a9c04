"""The Java client's process: what it is told, what it says, and what becomes of one that dies."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

import pytest

from backbone.bench.drivers import java
from backbone.bench.drivers.kafka_python import KafkaTarget
from backbone.bench.reference import Java
from backbone.bench.run import execute, one_after_the_other
from backbone.bench.samples import NEVER
from backbone.bench.validity import failed, repeat_gates
from backbone.bench.worker import Job, Load
from backbone.errors import StackError
from tests import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from backbone.bench.run import Role, Run

ROLES: tuple[Role, ...] = ("producer", "consumer")
TARGET = KafkaTarget(("127.0.0.1:1", "127.0.0.1:2"), "bench.x", 3)
JOB = Job(TARGET, Load(100, 1024, 0.1), run=7, grace=1.0)


@pytest.fixture
def launcher(tmp_path: Path) -> Path:
    """A launcher that starts the stand-in, whatever class it is asked for."""
    path = tmp_path / "java"
    path.write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT}/tests/unit/bench/jvm.py "$@"\n')
    path.chmod(0o755)
    return path


def run(launcher: Path) -> Run:
    return execute(JOB, start=partial(java.worker, Java(launcher, [])))


def test_a_run_through_jvms_is_joined_and_judged_like_any_other(launcher: Path) -> None:
    made = run(launcher)
    assert len(made.samples) == 10
    assert made.samples.span("end_to_end") == [2e6] * 10
    assert (made.cpu, made.mismatched) == ({"producer": 0.5, "consumer": 0.25}, 0)
    assert failed(repeat_gates(made, made.samples)) == []


def test_what_the_client_lost_voids_the_run(launcher: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAULT", "loses")
    made = run(launcher)
    assert made.errors == {"TimeoutException": 1}
    assert made.samples.acked[-1] == NEVER
    assert [gate.name for gate in failed(repeat_gates(made, made.samples))] == ["complete"]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("dies", "it ended with 1: no class def found"),
        ("refuses", "ConfigException: bench.x bootstrap.servers=127.0.0.1:1,127.0.0.1:2"),
    ],
)
def test_a_jvm_that_fails_says_why(launcher: Path, monkeypatch: pytest.MonkeyPatch, fault: str, words: str) -> None:
    monkeypatch.setenv("FAULT", fault)
    with pytest.raises(StackError, match="bench-process") as error:
        run(launcher)
    assert words in str(error.value.context)


def test_one_end_after_the_other_is_for_throughput(launcher: Path) -> None:
    sent, received = one_after_the_other(JOB, start=partial(java.worker, Java(launcher, [])))
    assert list(received.sequence) == list(range(len(sent.acked)))


def test_settings_of_the_run_come_over_those_of_every_client() -> None:
    target = KafkaTarget(TARGET.bootstrap, "t", 3, producer={"linger_ms": 20}, consumer={"fetch_max_wait_ms": 9})
    job = Job(target, JOB.load, run=1)
    of_producer, of_consumer = (next(java.told(role, job))[4:].decode().splitlines() for role in ROLES)
    assert {"linger.ms=20", "acks=all", "enable.idempotence=true"} <= set(of_producer)
    assert {"fetch.max.wait.ms=9", "isolation.level=read_committed"} <= set(of_consumer)
    assert not [line for line in of_consumer if line.startswith("group.id")]
