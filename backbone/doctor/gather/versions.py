"""Evidence of where the brokers stand between two Kafka versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbone.doctor.evidence import Upgrade
from backbone.doctor.gather import data
from backbone.snapshots import metadata
from backbone.stack import kafka_versions
from backbone.upgrade import features, survey

if TYPE_CHECKING:
    from backbone.stack.compose import Model
    from backbone.stack.engine import Stack

_DAY_S = 86_400


def upgrade(stack: Stack) -> Upgrade:
    """Ask every broker. Raises StackError("no-broker") if none answers."""
    found = survey.of(stack)
    uptimes = [state.uptime for state in stack.engine.states(list(stack.brokers)) if state.uptime is not None]
    return Upgrade(
        running={node.name: node.words for node in found.nodes if node.features},
        raisable=found.raisable,
        days=min(uptimes, default=0.0) / _DAY_S,
    )


def newer(model: Model) -> tuple[str, ...]:
    """Return the brokers whose data is finalised above the version that the files say, in words."""
    return tuple(
        f"{service.name}: its data is finalised at Kafka {release}, the files say {wanted}"
        for service in model.services.values()
        if (wanted := kafka_versions.of(service)) and service.environment.get("KAFKA_NODE_ID")
        for folder in data.log_dirs(model.only([service.name]))
        if (level := metadata.level(folder)) is not None
        and kafka_versions.numbers(release := features.release(level)) > kafka_versions.numbers(wanted)[:2]
    )
