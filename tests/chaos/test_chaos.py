"""Random SIGKILLs of tasks and brokers under load: the next `up` heals everything, and nothing acknowledged is lost.

The load and the judgement are the failover verifier's own (`failover --bootstrap`), which breaks nothing here.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs
import pytest

from backbone.stack.engine.embedded import process
from tests.e2e import checkout
from tests.e2e.checkout import BROKERS, TASK_TIMEOUT_S, Checkout

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

TASKS: tuple[tuple[str, ...], ...] = (
    ("up",),
    ("up", "--timeout", "60"),
    ("down",),
    *(("restart", broker) for broker in BROKERS),
    ("smoke", "--records", "50"),
    ("status",),
    ("topics", "list"),
)
_LONGEST_S = 6.0  # a task is killed within this time of its start: before, while and after it changes something


@dataclass
class Chaos:
    """One course of kills, the same for the same seed."""

    stack: Checkout
    choice: random.Random
    done: list[str] = field(default_factory=list)

    def kill(self) -> None:
        """Kill a broker, or start a task and kill it at some moment."""
        running = self.stack.brokers()
        if running and self.choice.random() < 0.5:
            name, pid = self.choice.choice(sorted(running.items()))
            os.kill(pid, signal.SIGKILL)
            self.done.append(f"kill -9 {name}")
            return
        words, moment = self.choice.choice(TASKS), self.choice.uniform(0.2, _LONGEST_S)
        with self.stack.going(*words):
            time.sleep(moment)  # the moment is the point, not a wait for anything
        self.done.append(f"kill -9 of `{' '.join(words)}` after {moment:.1f} s")

    def heal(self) -> None:
        """See that whatever was killed is told without a traceback, and that the next `up` makes the stack whole."""
        self.stack.run("status", code=None)
        self.stack.run("up", "--timeout", "150")
        assert self.stack.json("status")["ok"], self.done[-3:]


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Checkout]:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or platformdirs.user_cache_path())
    made = checkout.make(tmp_path / "checkout", cache, shift=checkout.free_shift(), brokers_only=True)
    made.run("up")
    yield made
    made.run("down", code=None)


def judged(load: subprocess.Popen[str]) -> dict[str, Any]:
    """End the load, and return the verifier's report."""
    load.send_signal(signal.SIGINT)
    out, err = load.communicate(timeout=TASK_TIMEOUT_S)
    assert "Traceback" not in err, err
    report: dict[str, Any] = json.loads(out)
    return report


def test_what_is_killed_at_random_is_healed_and_nothing_is_lost(
    stack: Checkout, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    kills, seed = request.config.getoption("--kills"), request.config.getoption("--chaos-seed")
    chaos = Chaos(stack, random.Random(seed))
    addresses = stack.json("endpoints")["KAFKA_BOOTSTRAP_SERVERS"]
    began = time.monotonic()
    with stack.going("failover", "--bootstrap", addresses, "--rate", "100", "--json") as load:
        while len(chaos.done) < kills:
            for _ in range(chaos.choice.randint(1, min(3, kills - len(chaos.done)))):
                chaos.kill()
            chaos.heal()
        report = judged(load)
    counts = report["runs"][0]["counts"]
    spent = f"{len(chaos.done)} kills in {time.monotonic() - began:.0f} s (seed {seed})"
    with capsys.disabled():
        sys.stdout.write("\n  ".join([f"\n{spent}; {report['verdict']}: {counts}", *chaos.done]) + "\n")
    assert report["runs"][0]["violations"] == [], chaos.done
    assert report["verdict"] == "valid", report["runs"][0]["doubts"]
    stack.run("up")
    left = {topic["name"] for topic in stack.json("topics", "list")} - {"events-topic", "events-topic.dead-letters"}
    assert not {name for name in left if not name.startswith("_")}, "topics of killed tasks"
    stack.run("down")
    assert dict(process.orphans(f"{stack.root}::")) == {}, "stray processes"
    assert not list((stack.root / ".stack").rglob("*.partial")), "files of killed tasks"
    assert not list((stack.root / ".stack" / "leftovers").glob("*")), "leftovers of killed tasks"
