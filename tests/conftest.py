"""What all tests share: how Hypothesis runs, and how many random histories the failover checker is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import settings

if TYPE_CHECKING:
    import pytest

# The one profile. No deadline: how long an example takes depends on what else the machine does, not on the code.
settings.register_profile("backbone", deadline=None, print_blob=True)
settings.load_profile("backbone")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --histories; `nox -s histories` gives ten times the default."""
    parser.addoption("--histories", type=int, default=1_000, help="random failover histories to judge (default 1000)")
