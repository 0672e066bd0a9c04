"""Data stays with the Kafka that it is on until its owner upgrades it, whatever new data begins with by now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbone.snapshots import cut
from backbone.stack import kafka_versions
from backbone.stack.settings import assign
from backbone.upgrade import features

if TYPE_CHECKING:
    from backbone.stack.engine import Stack


def keep(stack: Stack) -> str:
    """Write the version of the data that is there into `.env`, which names none; return it, "" without data.

    It is the newest known one of the release that the data is finalised at. Raises StackError("damaged-data").
    """
    level = cut.metadata_version(stack)
    release = features.release(level) if level else ""
    found = [version for version in kafka_versions.known(stack.settings) if kafka_versions.minor(version) == release]
    if not found:
        return ""
    assign(stack.settings.env_file, {kafka_versions.VARIABLE: found[-1]})
    return found[-1]
