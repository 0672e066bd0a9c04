"""What counts as an exact report of a planted loss; the plants themselves are set on a real cluster (tests/e2e)."""

from __future__ import annotations

import pytest

from backbone.failover.history import Record
from backbone.failover.plants import Finding

A, B = (Record("late", 0, n) for n in (1, 2))


@pytest.mark.parametrize(
    ("planted", "reported", "others", "exact"),
    [
        ({A, B}, {A, B}, set(), True),
        ({A, B}, {A, B}, {"O1"}, True),  # a later record takes the offset of a lost one
        ({A, B}, {A}, set(), False),
        ({A}, {A, B}, set(), False),
        ({A}, {A}, {"O1", "O3"}, False),
        (set(), set(), set(), True),
        (set(), set(), {"O1"}, False),
        (set(), {A}, set(), False),
    ],
)
def test_a_report_is_exact_when_it_names_what_was_planted_and_nothing_else(
    planted: set[Record], reported: set[Record], others: set[str], exact: bool
) -> None:
    assert Finding("plant", frozenset(planted), frozenset(reported), frozenset(others)).exact is exact
