"""What one piece of work costs, by size: what `growth` draws and `figures` watches, each measured in one place.

Each function does so much of its work and returns what it cost: seconds, milliseconds or MiB by name.
"""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.maintain import ROOT, lint_benchmark, processes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Costs = Mapping[str, float]

_HOUR_S = 3600.0
_TOPIC = "growth"
_UNIT = "tests/unit/contracts"
"""The unit tests that stand for all: pure functions, so their time is that of the code and of the interpreter."""


def lint(services: int) -> Costs:
    """Lint a generated project of so many services; 0: this stack."""
    with tempfile.TemporaryDirectory(prefix="growth-") as folder:
        project = lint_benchmark.write_project(Path(folder), services) if services else ROOT
        ran = processes.run(lint_benchmark.lint(project), timeout=_HOUR_S)
    return {"s": ran.seconds, "MiB": ran.peak_mib}


def checker(records: int) -> Costs:
    """Judge a sound history of so many records."""
    ran = processes.run([sys.executable, "-m", "scripts.maintain.sound_history", str(records)], timeout=_HOUR_S)
    return {"s": float(json.loads(ran.output)["seconds"]), "MiB": ran.peak_mib}


def unit(_: int) -> Costs:
    """Run a fixed part of the unit tests."""
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", _UNIT]
    return {"s": processes.run(argv, timeout=_HOUR_S).seconds}


@contextmanager
def stack(*profiles: str) -> Iterator[Mapping[str, str]]:
    """Yield the environment of a stack on new data, started without Docker; it is stopped in the end.

    The checkout's own stack must not run: they have the same ports.
    """
    # What cannot be removed costs no figure.
    with tempfile.TemporaryDirectory(prefix="figures-", ignore_cleanup_errors=True) as folder:
        environ = {
            "STACK_ENGINE": "embedded",
            "DEFAULT_MESSAGE_BROKER_DIR": folder,
            "COMPOSE_PROFILES": ",".join(profiles),
            "KAFKA_LOG_RETENTION_BYTES": "-1",  # ten million events are more than the default keeps
        }
        try:
            yield environ
        finally:
            processes.task("down", timeout=_HOUR_S, environ=environ)


@contextmanager
def running(*profiles: str) -> Iterator[Mapping[str, str]]:
    """Yield the environment of such a stack that runs, with the contracts applied if it has a database."""
    with stack(*profiles) as environ:
        up(environ)
        if "data" in profiles:
            contracts(environ)
        yield environ


def contracts(environ: Mapping[str, str]) -> Costs:
    """Put the contracts in force."""
    return {"s": processes.task("contracts", "apply", timeout=_HOUR_S, environ=environ).seconds}


def up(environ: Mapping[str, str]) -> Costs:
    """Start the stack: from the call of the task to a whole cluster, and the largest broker then."""
    ran = processes.task("up", timeout=_HOUR_S, environ=environ)
    status = json.loads(processes.task("status", "--json", timeout=_HOUR_S, environ=environ).output)
    memory = max(row["memory"] or 0 for row in status["services"] if row["name"].startswith("kafka-"))
    return {"s": ran.seconds, "MiB": memory / 1024**2}


def start(environ: Mapping[str, str], partitions: int) -> Costs:
    """Start a stack that has so many partitions in one topic, and stop it again."""
    processes.task("up", timeout=_HOUR_S, environ=environ)
    processes.task("topics", "create", _TOPIC, "--partitions", str(partitions), timeout=_HOUR_S, environ=environ)
    processes.task("down", timeout=_HOUR_S, environ=environ)
    cost = up(environ)
    processes.task("topics", "delete", _TOPIC, "--yes", timeout=_HOUR_S, environ=environ)
    processes.task("down", timeout=_HOUR_S, environ=environ)
    return cost


def bench(
    environ: Mapping[str, str],
    *,
    rate: int = 1000,
    size: int = 1024,
    partitions: int = 3,
    client: str = "kafka-python",
) -> Costs:
    """Measure latency for half a minute; void figures are figures here, for it is their change that is looked at."""
    words = ("bench", "--quick", "--repeats", "1", "--engine", "embedded", "--json")
    load = ("--rate", str(rate), "--size", str(size), "--partitions", str(partitions), "--client", client)
    ran = processes.task(*words, *load, timeout=_HOUR_S, environ=environ, codes=(0, 1, 3))
    (cell,) = json.loads(ran.output)["cells"]
    found = cell["spans"]["end_to_end"]
    # What never arrived has no time; JSON writes it as null.
    return {f"{name} ms": float(found[name] or "inf") for name in ("p50", "p95") if name in found}


def archive(environ: Mapping[str, str], rows: int) -> Costs:
    """Bring so many events into the table."""
    words = ("archive", "--events", str(rows), "--no-restart", "--engine", "embedded", "--json")
    ran = processes.task(*words, timeout=_HOUR_S, environ=environ)
    return {"s": float(json.loads(ran.output)["figures"]["first_send_to_last_row_s"]), "MiB": ran.peak_mib}
