"""The list of Kafka's properties that the linter knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scripts.tasks.command import command

if TYPE_CHECKING:
    from invoke import Context

    from backbone.errors import ExitCode

ARTIFACT_SET = "connect"
"""The set of the artifact lock that holds the broker, the Connect worker and the clients."""


@command()
def lint_properties(c: Context) -> ExitCode | None:
    """Write schemas/kafka-properties.json again, from the classes of the pinned Kafka version."""
    del c
    from backbone import console
    from backbone.stack.engine.embedded import artifacts, jre
    from backbone.stack.engine.embedded.engine import LOCK_FILE
    from backbone.stack.settings import Settings
    from scripts.maintain import kafka_properties

    settings = Settings()
    lock = artifacts.read_lock(settings.root / LOCK_FILE)
    jars = artifacts.ensure(lock[ARTIFACT_SET], settings.cache_dir, console.download)
    version = kafka_properties.kafka_version(jars)
    families = kafka_properties.describe(jre.java(), jars)
    kafka_properties.write(kafka_properties.DATA_FILE, version, families)
    counts = ", ".join(f"{len(properties)} {family}" for family, properties in families.items())
    console.say(f"Kafka {version}: {counts} properties")
    return None
