"""Checkouts for the end-to-end tests; whatever a test starts is stopped after it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
import pytest

from tests.e2e import checkout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.checkout import Checkout

# A shell starts what it puts in the background with SIGINT ignored, and children inherit that: nothing could be
# interrupted. With a handler of its own this process gives them the default.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_itemcollected(item: pytest.Item) -> None:
    """What shares a stack is one group: pytest-xdist, if asked (`--dist loadgroup`), gives it to one process."""
    shared = "data_stack" if "data_stack" in getattr(item, "fixturenames", ()) else item.path.stem
    item.add_marker(pytest.mark.xdist_group(shared))


@pytest.fixture(scope="session")
def cache() -> Path:
    """The user's own cache, so that a second run downloads nothing."""
    return Path(os.environ.get("XDG_CACHE_HOME") or platformdirs.user_cache_path())


@pytest.fixture
def fresh(tmp_path: Path, cache: Path) -> Iterator[Checkout]:
    """A checkout of its own for one test."""
    made = checkout.make(tmp_path / "checkout", cache, shift=checkout.free_shift())
    yield made
    made.end()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Checkout]:
    """A checkout whose stack runs, shared by the tests of a module that leave it so."""
    made = checkout.make(tmp_path_factory.mktemp("running"), cache, shift=checkout.free_shift())
    made.run("up")
    yield made
    made.end()


@pytest.fixture(scope="session")
def data_stack(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Checkout]:
    """The whole way from contracts to the table, shared by the modules that try it."""
    made = checkout.make(tmp_path_factory.mktemp("data"), cache, shift=checkout.free_shift())
    try:
        made.run("up", "--profile", "messaging", "--profile", "data")
        made.run("contracts", "apply")
        made.run("connectors", "apply")
        yield made
    finally:
        made.end()
