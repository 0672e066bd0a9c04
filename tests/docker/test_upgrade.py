"""Brokers in containers go to another Kafka, node by node, and back; then forward again and finalised."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from backbone.errors import StackError
from backbone.stack import lifecycle
from backbone.stack.engine import Stack, open_stack
from backbone.upgrade import features, roll, survey
from tests.docker import checkout
from tests.docker.conftest import UP_TIMEOUT_S, no_display, quiet

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from backbone.upgrade.roll import Open

OLD, NEW = "4.3.1", "4.4.0"
SAID: list[str] = []


@pytest.fixture
def open_brokers(engine: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    """Yield what opens three brokers of a checkout of their own, which run."""
    settings = checkout.fresh(tmp_path_factory.mktemp("clone"), "e2e-upgrade", environ=engine)
    checkout.assign(settings, KAFKA_VERSION=OLD)

    def opened(renewed: Collection[str] = ()) -> Stack:
        whole = open_stack(settings, ["messaging"], "docker", no_display, renewed)
        return Stack(settings, whole.model.only(whole.brokers), whole.engine)

    try:
        lifecycle.up(opened(), timeout=UP_TIMEOUT_S, progress=SAID.append, watch=quiet)
        yield opened
    finally:
        lifecycle.nuke(open_stack(settings, ["*"], "docker", no_display), SAID.append)


def rolled(opened: Open, target: str) -> list[str]:
    """Roll to a version and return the nodes in the order in which they changed."""
    roll.demand_no_doubt(opened(()), survey.of(opened(())), target)
    steps = roll.nodes(opened, target, timeout=UP_TIMEOUT_S, progress=SAID.append, watch=quiet)
    return [step.node for step in steps]


def test_brokers_in_containers_roll_there_and_back_and_are_finalised(open_brokers: Open) -> None:
    controller = survey.of(open_brokers(())).controller
    forward = rolled(open_brokers, NEW)
    assert (sorted(forward), forward[-1]) == (["kafka-1", "kafka-2", "kafka-3"], controller)
    found = survey.of(open_brokers(()))
    assert (found.releases, found.finalized_release) == (("4.4",), "4.3")
    assert len(rolled(open_brokers, OLD)) == 3
    assert survey.of(open_brokers(())).releases == ("4.3",)
    rolled(open_brokers, NEW)
    stack = open_brokers(())
    features.finalize(stack.bootstrap, {name: new for name, (_, new) in survey.of(stack).raisable.items()})
    with pytest.raises(StackError, match=r"finalised at Kafka 4\.4"):
        roll.demand_no_doubt(stack, survey.of(stack), OLD)
