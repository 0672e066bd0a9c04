"""Random SIGKILLs of tasks and services under load: the next `up` heals everything, and nothing acknowledged is lost.

The load and the judgement are the failover verifier's own (`failover --bootstrap`), which breaks nothing here. The
stack has all that runs without Docker, a cache and a folder for temporary files of its own: what is left of a killed
task or JVM is seen there.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs
import pytest

from backbone.stack.engine.embedded import process
from backbone.wait import wait_until
from tests.e2e import checkout
from tests.e2e.checkout import BROKERS, Checkout

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

UP = ("up", "--profile", "messaging", "--profile", "data")
TASKS: tuple[tuple[str, ...], ...] = (
    UP,
    (*UP, "--renew"),
    ("down",),
    *(("restart", service) for service in (*BROKERS, "schema-registry", "postgres")),
    ("smoke", "--records", "50"),
    ("archive", "--events", "100", "--no-restart"),
    ("connectors", "apply"),
    ("snapshot", "save", "chaos"),
    ("status",),
    ("topics", "list"),
)
_LONGEST_S = 8.0  # a task is killed within this time of its start: before, while and after it changes something
_JUDGED_S = 3600.0  # every record is read back through each replica, and a course of hours has many
_GROWING = ("data/", "results/", "secrets/", ".stack/snapshots/chaos/")
"""Below these, files come as the stack is used."""


@dataclass
class Chaos:
    """One course of kills, the same for the same seed as far as the same things run."""

    stack: Checkout
    choice: random.Random
    done: list[str] = field(default_factory=list)

    def kill(self) -> None:
        """Kill a service, or start a task and kill it at some moment."""
        running = sorted(process.orphans(f"{self.stack.root}::"), key=lambda each: each[0])
        if running and self.choice.random() < 0.5:
            owner, identity = self.choice.choice(running)
            with suppress(ProcessLookupError):
                os.kill(identity.pid, signal.SIGKILL)
            self.done.append(f"kill -9 {owner.rpartition('::')[2]}")
            return
        words, moment = self.choice.choice(TASKS), self.choice.uniform(0.2, _LONGEST_S)
        with self.stack.going(*words):
            time.sleep(moment)  # the moment is the point, not a wait for anything
        self.done.append(f"kill -9 of `{' '.join(words)}` after {moment:.1f} s")

    def heal(self) -> None:
        """See that whatever was killed is told without a traceback, and that the next `up` makes the stack whole."""
        self.stack.run("status", code=None)
        self.stack.run(*UP, "--timeout", "150")
        assert self.stack.json("status")["ok"], self.done[-3:]


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Checkout]:
    users = Path(os.environ.get("XDG_CACHE_HOME") or platformdirs.user_cache_path()) / "messaging-backbone"
    cache = tmp_path / "cache"
    if users.is_dir():
        shutil.copytree(users, cache / users.name, copy_function=_linked)
    made = checkout.make(tmp_path / "checkout", cache, shift=checkout.free_shift())
    (tmp_path / "tmp").mkdir()
    made.environ = {"TMPDIR": str(tmp_path / "tmp")}
    made.run(*UP)
    made.run("contracts", "apply")
    made.run("connectors", "apply")
    yield made
    made.end()


def _linked(source: str, target: str) -> None:
    """Share a file of the cache that is never written again; a start-up cache is copied, for its times change."""
    if source.endswith((".jar", ".gz", ".zip")):
        with suppress(OSError):
            os.link(source, target)
            return
    shutil.copy2(source, target)


def files(stack: Checkout) -> set[str]:
    """Return what lies in the checkout, its cache and its folder for temporary files, less what grows with use."""
    found = {str(path.relative_to(stack.root)) for path in stack.root.rglob("*") if path.is_file()}
    kept = {name for name in found if not name.startswith(_GROWING)}
    own = {name for name in kept if "__pycache__" not in name and "/logs/" not in name}
    beside = [path for folder in (stack.cache, Path(stack.environ["TMPDIR"])) for path in folder.rglob("*")]
    return own | {str(path) for path in beside if path.is_file()}


def judged(load: subprocess.Popen[str]) -> dict[str, Any]:
    """End the load, and return the verifier's report."""
    load.terminate()  # like Ctrl-C, which what a shell has put into the background does not hear
    out, err = load.communicate(timeout=_JUDGED_S)
    assert "Traceback" not in err, err
    report: dict[str, Any] = json.loads(out)
    return report


def test_what_is_killed_at_random_is_healed_and_nothing_is_lost(
    stack: Checkout, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    kills, seed = request.config.getoption("--kills"), request.config.getoption("--chaos-seed")
    chaos = Chaos(stack, random.Random(seed))
    ended(stack)
    before = files(stack)
    stack.run(*UP)
    addresses = stack.json("endpoints")["KAFKA_BOOTSTRAP_SERVERS"]
    topics = names(stack)
    began = time.monotonic()
    with stack.going("failover", "--bootstrap", addresses, "--rate", "100", "--json") as load:
        while len(chaos.done) < kills:
            for _ in range(chaos.choice.randint(1, min(3, kills - len(chaos.done)))):
                chaos.kill()
            chaos.heal()
            with capsys.disabled():
                sys.stdout.write(f"\n{time.monotonic() - began:5.0f} s {len(chaos.done):3} kills: {chaos.done[-1]}")
        report = judged(load)
    counts = report["runs"][0]["counts"]
    spent = f"{len(chaos.done)} kills in {time.monotonic() - began:.0f} s (seed {seed})"
    with capsys.disabled():
        sys.stdout.write("\n  ".join([f"\n{spent}; {report['verdict']}: {counts}", *chaos.done]) + "\n")
    assert report["runs"][0]["violations"] == [], chaos.done
    assert report["verdict"] == "valid", report["runs"][0]["doubts"]
    stack.run("archive", "--events", "100", "--no-restart")  # from the registry to the table, all of it
    assert names(stack) == topics, "topics of killed tasks"
    ended(stack)
    assert files(stack) - before == set(), "files of killed tasks"


def names(stack: Checkout) -> set[str]:
    return {topic["name"] for topic in stack.json("topics", "list")}


def ended(stack: Checkout) -> None:
    """Stop the stack; nothing of it may go on, but a JVM that writes down its start-up cache."""
    stack.run("down")
    wait_until(lambda: not list(process.orphans(f"{stack.root}::")), what="the end of every process", timeout=120)
