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


def newer(stack: Stack) -> tuple[str, ...]:
    """Return the brokers whose data is finalised above the version that the files say, in words."""
    return tuple(
        f"{name}: its data is finalised at Kafka {release}, the files say {wanted}"
        for name, address in stack.brokers.items()
        if (wanted := kafka_versions.of(stack.model[name]))
        for level in _levels(stack.model.only([name]), address)
        if kafka_versions.numbers(release := features.release(level)) > kafka_versions.numbers(wanted)[:2]
    )


def _levels(broker: Model, address: str) -> list[int]:
    """Ask a broker; read its data only if it does not answer, because the metadata of days takes seconds to read."""
    try:
        return [features.ask(address).finalized[features.METADATA]]
    except (OSError, KeyError):
        return [level for folder in data.log_dirs(broker) if (level := metadata.level(folder)) is not None]
