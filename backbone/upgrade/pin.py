"""Data stays with the Kafka that it is on until its owner upgrades it, whatever new data begins with by now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbone.snapshots import cut
from backbone.stack import kafka_versions
from backbone.stack.settings import assign, ensure_env_file
from backbone.upgrade import features

if TYPE_CHECKING:
    from collections.abc import Callable

    from backbone.stack.engine import Stack
    from backbone.stack.settings import Settings


def keep(settings: Settings, opened: Callable[[], Stack]) -> str:
    """Write the version of the data that is there into a `.env` that names none, or is made now; return it, else "".

    It is the newest known one of the release that the data is finalised at. Raises StackError("damaged-data").
    """
    if kafka_versions.named(settings):
        return ""
    stack = opened()
    level = cut.metadata_version(stack)
    release = features.release(level) if level else ""
    found = [version for version in kafka_versions.known(settings) if kafka_versions.minor(version) == release]
    if not found:
        return ""
    ensure_env_file(settings)
    assign(settings.env_file, {kafka_versions.VARIABLE: found[-1]})
    return found[-1]
