"""Fixtures of pytest: a real stack, names of one's own on it, and its data as it was.

What this imports, every pytest of an environment with this package imports: the rest waits until a fixture is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from backbone.leases import Lease
    from backbone.testing import Running

_BEGUN = "tests-begin"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of this plugin."""
    group = parser.getgroup("backbone", "a real Kafka stack for tests")
    group.addoption("--backbone-keep", action="store_true", help="leave the stack running after the tests")
    group.addoption(
        "--backbone-lite", action="store_true", help="one broker and no Connect: starts sooner, proves less"
    )
    group.addoption("--backbone-name", default="", help="use the private stack of this name")
    group.addoption(
        "--backbone-profile",
        action="append",
        default=[],
        help="a profile of the stack besides messaging, such as data (PostgreSQL); repeat it for more",
    )


@pytest.fixture(scope="session")
def backbone(request: pytest.FixtureRequest) -> Iterator[Running]:
    """Give a running stack: that of the folder pytest was started in, or one of its own, shared by all workers."""
    from backbone import testing  # noqa: PLC0415 - see above

    options = request.config
    given = testing.stack(
        options.invocation_params.dir,
        profiles=(*testing.PROFILES, *options.getoption("--backbone-profile")),
        name=options.getoption("--backbone-name"),
        keep=options.getoption("--backbone-keep"),
        lite=options.getoption("--backbone-lite"),
    )
    capture = options.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        running = given.__enter__()
    try:
        yield running
    finally:
        given.__exit__(None, None, None)


@pytest.fixture
def lease(backbone: Running) -> Iterator[Lease]:
    """Give names of one's own on the stack; what is below them is gone after the test."""
    with backbone.lease() as given:
        yield given


@pytest.fixture(scope="session")
def _begun(backbone: Running, request: pytest.FixtureRequest) -> str:
    """Save the stack as the first test that resets it has found it; return the name."""
    if getattr(request.config, "workerinput", {}).get("workercount", 1) > 1:
        pytest.fail("reset() stops the stack that other workers use: run these tests with -n 0, or -n 1", pytrace=False)
    backbone.forget(_BEGUN)
    backbone.save(_BEGUN)
    return _BEGUN


@pytest.fixture
def reset(backbone: Running, _begun: str) -> Callable[..., None]:
    """Give a function that makes all data what it was: at its first use, or (with a name) in a snapshot.

    Not for several workers on one stack: it stops the stack under the others.
    """
    return lambda name=_begun: backbone.restore(name)
