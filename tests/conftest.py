"""What all tests share: how Hypothesis runs, how many random histories are judged, and that no program is named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from backbone.errors import PROGRAM

TESTS = Path(__file__).parent
RUNNING = ("chaos", "docker", "e2e", "gateway", "matrix", "rabbitmq", "wheel")
"""The folders whose tests start processes, and so depend on what else the machine does."""

FAILED_TESTS = os.environ.get("FAILED_TESTS", "")
"""A file, named by `.ci/run`: what failed is added to it."""

# The one profile. No deadline: how long an example takes depends on what else the machine does, not on the code.
settings.register_profile("backbone", deadline=None, print_blob=True)
settings.load_profile("backbone")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --histories (`nox -s histories` gives ten times the default), and what `nox -s chaos` takes."""
    parser.addoption("--histories", type=int, default=1_000, help="random failover histories to judge (default 1000)")
    parser.addoption("--kills", type=int, default=4, help="random SIGKILLs of `nox -s chaos` (default 4)")
    parser.addoption("--upgrade-kills", type=int, default=3, help="upgrades killed by `nox -s upgrades` (default 3)")
    parser.addoption("--chaos-seed", type=int, default=1, help="which course of kills (default 1)")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In CI a test of running processes is tried again after a failure, once; that is told (ADR 0168)."""
    for item in items:
        if FAILED_TESTS and item.path.relative_to(TESTS).parts[0] in RUNNING:
            item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Add what failed, with its last lines, to the file that `.ci/run` shows at its end; first tries too."""
    if not FAILED_TESTS or "PYTEST_XDIST_WORKER" in os.environ:
        return
    with Path(FAILED_TESTS).open("a", encoding="utf-8") as out:
        for outcome in ("failed", "error", "rerun"):
            for report in terminalreporter.getreports(outcome):
                last = "\n".join(report.longreprtext.splitlines()[-40:])
                out.write(f"{outcome}: {report.nodeid} ({report.when})\n{last}\n\n")


@pytest.fixture(autouse=True)
def no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hints read as in a checkout's root, whoever started the tests and whatever a command line sets here."""
    monkeypatch.setenv(PROGRAM, "")
    monkeypatch.delenv(PROGRAM)
