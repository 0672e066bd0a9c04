"""The failover verifier on Docker: what a pipeline runs, and the faults that only containers can have."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from backbone import resources
from backbone.failover import campaign
from backbone.failover.plan import QUICK, Plan, Step, generate
from backbone.failover.report import write
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


SEED, FAULTS = os.environ.get("FAILOVER_PLAN", ""), int(os.environ.get("FAILOVER_FAULTS", "20"))
PROFILE = os.environ.get("KAFKA_FAILOVER_PROFILE", "fast")


@pytest.fixture(scope="module")
def brokers(engine: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Yield three brokers with the profile that was asked for."""
    settings = checkout.fresh(tmp_path_factory.mktemp("clone"), "e2e-failover", environ=engine)
    checkout.assign(settings, KAFKA_FAILOVER_PROFILE=PROFILE)
    whole = open_stack(settings, ["messaging"], "docker", no_display)
    stack = Stack(settings, whole.model.only([*whole.brokers, "kafka-folders"]), whole.engine)
    try:
        lifecycle.up(stack, timeout=UP_TIMEOUT_S, progress=print, watch=quiet)
        yield stack
    finally:
        lifecycle.nuke(stack, print)


def test_nothing_acknowledged_is_lost_whatever_happens_to_a_container(brokers: Stack, tmp_path: Path) -> None:
    cluster = campaign.open_cluster(brokers.bootstrap, brokers)
    plan = generate(int(SEED), FAULTS, cluster.needs()) if SEED else PLAN
    report = campaign.conduct(campaign.Campaign(tmp_path, print), cluster, [plan])
    _keep(report)
    assert [(run["violations"], run["doubts"]) for run in report["runs"]] == [([], [])]
    assert report["verdict"] == "valid"
    kinds = {step.kind for step in plan.steps}
    assert report["faults"] == {"done": len(plan.steps), "proved": len(plan.steps), "kinds": len(kinds)}
    assert not any(report["violations"].values())


def _keep(report: dict[str, Any]) -> None:
    folder = Settings().results_dir / "docker" / f"failover-{SEED or 'each-kind'}-{PROFILE}"
    write(report, folder, resources.schema("failover-report.schema.json"))
