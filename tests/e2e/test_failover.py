"""The failover verifier on a real cluster: a run that is sound, a run that cannot be, and losses it has to find."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import psutil
import pytest

from backbone.wait import wait_until
from tests.e2e import checkout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.checkout import Checkout


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Checkout]:
    """A checkout whose stack runs with the fast profile."""
    made = checkout.make(tmp_path_factory.mktemp("failover"), cache, shift=checkout.free_shift())
    made.edit(".env", "KAFKA_FAILOVER_PROFILE=default", "KAFKA_FAILOVER_PROFILE=fast")
    made.run("up")
    yield made
    made.end()


def test_the_quick_run_is_valid(cluster: Checkout) -> None:
    report = cluster.json("failover", "--quick", "--keep-history")
    assert report["verdict"] == "valid"
    assert report["faults"] == {"done": 3, "proved": 3, "kinds": 2}
    assert (report["profile"], report["settings"]["broker.session.timeout.ms"]) == ("fast", "1500")
    assert not any(report["violations"].values())
    folders = list((cluster.root / "results" / "failover").iterdir())
    assert {"index.html", "report.json", "junit.xml"} <= {path.name for path in folders[0].iterdir()}
    assert _first_assignment(folders[0]) == [0, 1, 2]


def test_planted_losses_are_found_exactly(cluster: Checkout) -> None:
    found = {
        row["plant"]: (row["planted"], row["reported"], row["exact"]) for row in cluster.json("failover", "--plants")
    }
    assert all(exact for _, _, exact in found.values()), found
    assert {name for name, (planted, _, _) in found.items() if planted} == {
        "frozen-followers-acks-1",
        "unclean-election-min-isr-1",
        "cut-tails-all",
    }


def test_a_cluster_that_somebody_else_breaks_is_judged(cluster: Checkout) -> None:
    with cluster.going("failover", "--bootstrap", _bootstrap(cluster), "--seconds", "25", "--json") as watching:
        assert watching.stderr
        assert "traffic is on" in watching.stderr.readline()
        os.kill(cluster.brokers()["kafka-2"], signal.SIGKILL)
        wait_until(lambda: cluster.alive() == [1, 3], what="broker 2 to be given up", timeout=30)
        cluster.run("up")
        report = json.loads(watching.communicate(timeout=checkout.TASK_TIMEOUT_S)[0])
    assert report["verdict"] == "valid"
    assert [(kind["kind"], kind["faults"]) for kind in report["kinds"]] == [("observed", 1)]


def test_the_busy_loops_end_with_the_run(cluster: Checkout) -> None:
    with cluster.going("failover", "--bootstrap", _bootstrap(cluster), "--busy", "--json") as watching:
        task = psutil.Process(watching.pid)
        loops = wait_until(lambda: _loops(task, os.cpu_count()), what="a busy loop for each processor", timeout=60)
        watching.send_signal(signal.SIGINT)
        report = json.loads(watching.communicate(timeout=checkout.TASK_TIMEOUT_S)[0])
    assert report["verdict"] == "valid"
    assert not any(one.is_running() for one in loops)


def _first_assignment(results: Path) -> list[int]:
    """Return the partitions that the consumer of a run was given first: none at all would ask for a second joining."""
    (journal,) = results.glob("*/consumer-0.0.jsonl")
    lines = map(json.loads, journal.read_text(encoding="utf-8").splitlines())
    return next(list(line[3]) for line in lines if line[0] == "assign")


def _bootstrap(cluster: Checkout) -> str:
    return str(cluster.json("endpoints")["KAFKA_BOOTSTRAP_SERVERS"])


def _loops(task: psutil.Process, count: int | None) -> list[psutil.Process]:
    """Return the forks of a task (the workload's processes are programs of their own) once there are so many."""
    alive = [one for one in task.children() if one.status() != psutil.STATUS_ZOMBIE]
    forks = [one for one in alive if one.cmdline() == task.cmdline()]
    return forks if len(forks) == count else []


def test_nothing_to_break_is_an_error_that_helps(fresh: Checkout) -> None:
    done = fresh.run("failover", "--quick", code=4)
    assert "./invoke up" in done.stderr


def test_a_bad_plan_is_refused_before_anything_is_broken(cluster: Checkout) -> None:
    (cluster.root / "plan.json").write_text('{"steps": [{"kind": "flood"}]}')
    done = cluster.run("failover", "--plan", "plan.json", code=2)
    assert "bad-plan" in done.stderr
