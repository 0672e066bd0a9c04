"""SIGKILL at random moments of `snapshot save`, `restore` and `import`, with the data of three real brokers.

Every time the data is the old or the new, and what is there starts.
"""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
import pytest

from tests.e2e import checkout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.checkout import Checkout

STARTS_EVERY = 10  # kills from one start of the brokers to the next
_FIRST_S = 0.3  # a task has read its command line by then


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Checkout]:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or platformdirs.user_cache_path())
    made = checkout.make(tmp_path / "checkout", cache, shift=checkout.free_shift(), brokers_only=True)
    yield made
    made.end()


def topics(stack: Checkout) -> set[str]:
    """Start the brokers, and return which of our topics they have."""
    stack.run("up")
    found = {topic["name"] for topic in stack.json("topics", "list")}
    stack.run("down")
    return found & {"only-a", "only-b"}


def saved(stack: Checkout, name: str) -> None:
    """Keep a state that is known by the one topic it has."""
    stack.run("up")
    for other in "ab":
        if f"only-{other}" in {topic["name"] for topic in stack.json("topics", "list")}:
            stack.run("topics", "delete", f"only-{other}", "--yes")
    stack.run("topics", "create", f"only-{name}")
    stack.run("down")
    stack.run("snapshot", "save", name)


def test_a_kill_at_any_moment_leaves_the_old_or_the_new_and_it_starts(
    stack: Checkout, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    kills, seed = request.config.getoption("--kills"), request.config.getoption("--chaos-seed")
    chance = random.Random(seed)
    for name in "ab":
        saved(stack, name)
    stack.run("snapshot", "export", "a", "file")
    began = time.monotonic()
    stack.run("snapshot", "restore", "a", "--yes")
    longest = 1.5 * (time.monotonic() - began)
    possible, starts, kept = {"a"}, 0, 0
    for number in range(kills):
        kind, wanted = chance.choice(("restore", "restore", "save", "import")), chance.choice("ab")
        words = {
            "restore": ("snapshot", "restore", wanted, "--yes"),
            "save": ("snapshot", "save", f"save-{number}"),
            "import": ("snapshot", "import", "file", "--as-name", f"import-{number}"),
        }[kind]
        with stack.going(*words):
            time.sleep(chance.uniform(_FIRST_S, longest))  # the moment is the point, not a wait for anything
        if kind == "restore":
            possible |= {wanted}
        for each in stack.json("snapshot", "list")["snapshots"]:
            if each["name"] not in ("a", "b"):
                stack.run("snapshot", "restore", each["name"], "--dry-run")  # reads and compares every byte
                stack.run("snapshot", "remove", each["name"], "--yes")
                kept += 1
        if number % STARTS_EVERY == STARTS_EVERY - 1 or number == kills - 1:
            found = topics(stack)
            starts += 1
            assert found in [{f"only-{name}"} for name in possible], (number, words, possible)
            possible = {name for name in "ab" if f"only-{name}" in found}
    left = [path.name for path in (stack.root / ".stack" / "snapshots").iterdir()]
    assert {name for name in left if not name.startswith(".")} == {"a", "b"}
    with capsys.disabled():
        spent = time.monotonic() - began
        sys.stdout.write(f"\n{kills} kills (seed {seed}) in {spent:.0f} s, {kept} came to their end, {starts} starts\n")
