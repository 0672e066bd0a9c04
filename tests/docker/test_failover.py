"""The failover verifier on Docker: what a pipeline runs, and the faults that only containers can have."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from backbone.failover import campaign
from backbone.failover.plan import QUICK, Plan, Step
from backbone.stack import lifecycle
from backbone.stack.engine import Stack, open_stack
from backbone.stack.settings import Settings
from tests.docker import checkout
from tests.docker.conftest import UP_TIMEOUT_S, no_display, quiet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLAN = Plan(
    (
        *QUICK.steps,
        Step("isolate", "leader", 1, 2.0),
        Step("one-way", "leader", 1, 2.0),
        Step("partial", "leader", 1, 2.0),
        Step("packet-loss", "leader", 1, 3.0),
        Step("starve", "leader", 1, 2.0),
        Step("out-of-memory", "leader", 1, 0.0),
    )
)


@pytest.fixture(scope="module")
def brokers(engine: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Yield three brokers with the fast profile."""
    settings = checkout.fresh(tmp_path_factory.mktemp("clone"), "e2e-failover", environ=engine)
    checkout.assign(settings, KAFKA_FAILOVER_PROFILE="fast")
    whole = open_stack(settings, ["messaging"], "docker", no_display)
    stack = Stack(settings, whole.model.only([*whole.brokers, "kafka-folders"]), whole.engine)
    try:
        lifecycle.up(stack, timeout=UP_TIMEOUT_S, progress=print, watch=quiet)
        yield stack
    finally:
        lifecycle.nuke(stack, print)


def test_nothing_acknowledged_is_lost_whatever_happens_to_a_container(brokers: Stack, tmp_path: Path) -> None:
    report = campaign.conduct(
        campaign.Campaign(tmp_path, print), campaign.open_cluster(brokers.bootstrap, brokers), [PLAN]
    )
    _keep(report)
    assert [(run["violations"], run["doubts"]) for run in report["runs"]] == [([], [])]
    assert report["verdict"] == "valid"
    assert report["faults"] == {"done": len(PLAN.steps), "proved": len(PLAN.steps), "kinds": 8}
    assert not any(report["violations"].values())


def _keep(report: object) -> None:
    folder = Settings().results_dir / "docker"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "failover.json").write_text(json.dumps(report, indent=2), encoding="utf-8")
