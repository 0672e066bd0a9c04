"""The failover verifier on a real cluster: a run that is sound, a run that cannot be, and losses it has to find."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

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
    made.run("down")


def test_the_quick_run_is_valid(cluster: Checkout) -> None:
    report = cluster.json("failover", "--quick")
    assert report["verdict"] == "valid"
    assert report["faults"] == {"done": 3, "proved": 3, "kinds": 2}
    assert report["profile"]["broker.session.timeout.ms"] == "1500"
    assert not any(report["violations"].values())
    folders = list((cluster.root / "results" / "failover").iterdir())
    assert {"report.html", "report.json", "junit.xml"} <= {path.name for path in folders[0].iterdir()}


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


def test_nothing_to_break_is_an_error_that_helps(fresh: Checkout) -> None:
    done = fresh.run("failover", "--quick", code=4)
    assert "./invoke up" in done.stderr


def test_a_bad_plan_is_refused_before_anything_is_broken(cluster: Checkout) -> None:
    (cluster.root / "plan.json").write_text('{"steps": [{"kind": "flood"}]}')
    done = cluster.run("failover", "--plan", "plan.json", code=2)
    assert "bad-plan" in done.stderr
