"""What all tests share: how Hypothesis runs, how many random histories are judged, and that no program is named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from backbone.errors import PROGRAM

# The one profile. No deadline: how long an example takes depends on what else the machine does, not on the code.
settings.register_profile("backbone", deadline=None, print_blob=True)
settings.load_profile("backbone")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --histories (`nox -s histories` gives ten times the default), and what `nox -s chaos` takes."""
    parser.addoption("--histories", type=int, default=1_000, help="random failover histories to judge (default 1000)")
    parser.addoption("--kills", type=int, default=4, help="random SIGKILLs of `nox -s chaos` (default 4)")
    parser.addoption("--upgrade-kills", type=int, default=3, help="upgrades killed by `nox -s upgrades` (default 3)")
    parser.addoption("--chaos-seed", type=int, default=1, help="which course of kills (default 1)")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Add what failed, and its last lines, to the file that FAILED_TESTS names: `.ci/run` says it again at its end."""
    failed = [*terminalreporter.getreports("failed"), *terminalreporter.getreports("error")]
    file = os.environ.get("FAILED_TESTS")
    if file and failed and "PYTEST_XDIST_WORKER" not in os.environ:
        with Path(file).open("a", encoding="utf-8") as out:
            for report in failed:
                last = "\n".join(report.longreprtext.splitlines()[-40:])
                out.write(f"{report.nodeid} ({report.when})\n{last}\n\n")


@pytest.fixture(autouse=True)
def no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hints read as in a checkout's root, whoever started the tests and whatever a command line sets here."""
    monkeypatch.setenv(PROGRAM, "")
    monkeypatch.delenv(PROGRAM)
