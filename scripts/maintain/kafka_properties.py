"""Every property that a Kafka broker, a Connect worker and their clients know, from Kafka itself.

The classes' `main` methods print their ConfigDef as HTML (the source of Kafka's documentation), so no
compiler is needed. The answer is kept in schemas/kafka-properties.json, which the linter reads.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from html.parser import HTMLParser
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from backbone import console, durable_file
from backbone.errors import ExitCode, StackError
from backbone.stack import kafka_versions
from backbone.stack.engine.embedded import artifacts, jre
from backbone.stack.engine.embedded.engine import LOCK_FILE
from backbone.stack.settings import Settings
from scripts.maintain import ROOT, program

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

Families: TypeAlias = "Mapping[str, Mapping[str, Property]]"
"""Family → name of the property → the property."""

DATA_FILE = ROOT / "schemas" / "kafka-properties.json"
ARTIFACT_SET = "connect"
"""The set of the artifact lock that holds the broker, the Connect worker and the clients."""

PRINTERS = {
    "broker": "kafka.server.KafkaConfig",
    "connect": "org.apache.kafka.connect.runtime.distributed.DistributedConfig",
    "producer": "org.apache.kafka.clients.producer.ProducerConfig",
    "consumer": "org.apache.kafka.clients.consumer.ConsumerConfig",
    "admin": "org.apache.kafka.clients.admin.AdminClientConfig",
    "topic": "org.apache.kafka.storage.internals.log.LogConfig",
}
"""The family of properties each class prints."""

_TIMEOUT_S = 60
_JUDGED = "topic"
"""The family whose values are judged before they are sent, so its valid values are kept as well."""


@dataclass(frozen=True, slots=True)
class Property:
    """One property: its type in Kafka's words (int, list, password, …), its default and its valid values as printed."""

    kind: str
    default: str
    valid: str = ""


class _Page(HTMLParser):
    """Reads the heading and the Type, Default and Valid Values rows of each property."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, Property] = {}
        self._name = ""
        self._tag = ""
        self._row = ""
        self._cells: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag = tag
        if tag == "h4":
            self._name, self._cells = "", {}
        elif tag == "a" and not self._name:
            self._name = dict(attrs).get("id") or ""

    def handle_data(self, data: str) -> None:
        if self._tag == "th":
            self._row = data.rstrip(":")
        elif self._tag == "td":
            self._cells[self._row] = self._cells.get(self._row, "") + data.strip()

    def handle_endtag(self, tag: str) -> None:
        self._tag = ""
        if tag == "table" and self._name:
            self.found[self._name] = Property(
                self._cells.get("Type", ""),
                self._cells.get("Default", "").removesuffix(" ").strip('"'),
                self._cells.get("Valid Values", ""),
            )


def parse_page(html: str) -> dict[str, Property]:
    """Return the properties of a page that ConfigDef.toHtml printed, sorted by name."""
    page = _Page()
    page.feed(html)
    return dict(sorted(page.found.items()))


def describe(java: Path, jars: Sequence[Path], only: Collection[str] = PRINTERS) -> dict[str, dict[str, Property]]:
    """Run printers with a Java and Kafka's jars; family → name → property.

    Raises StackError("property-printer") with the JVM's words when a class does not print.
    """
    return {family: parse_page(_printed(java, jars, PRINTERS[family])) for family in only}


def _printed(java: Path, jars: Sequence[Path], main_class: str) -> str:
    argv = [str(java), "-cp", ":".join(map(str, jars)), main_class]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S)
    if done.returncode != 0 or "<h4>" not in done.stdout:
        raise StackError(
            "property-printer",
            f"{main_class} printed no properties (exit code {done.returncode})",
            context="\n".join(done.stderr.splitlines()[-20:]),
            exit_code=ExitCode.ENVIRONMENT,
        )
    return done.stdout


def kafka_version(jars: Sequence[Path]) -> str:
    """Return the version in the name of the kafka-clients jar; StackError("no-kafka-jars") without one."""
    for jar in jars:
        if jar.name.startswith("kafka-clients-"):
            return jar.stem.removeprefix("kafka-clients-")
    raise StackError(
        "no-kafka-jars",
        f"none of {len(jars)} jars is kafka-clients",
        hint=f"`nox -s kafka-properties` takes them from the set `{ARTIFACT_SET}` of {LOCK_FILE}",
        exit_code=ExitCode.USAGE,
    )


def write(path: Path, version: str, families: Families, later: Mapping[str, Families] = MappingProxyType({})) -> None:
    """Write the data file: the version, then a line a property: `[type, default]`, a topic's with valid values.

    later: versions after it, oldest first; kept is what each changes.
    """
    kept = {family: {name: _kept(family, one) for name, one in found.items()} for family, found in families.items()}
    text = _text({"kafka_version": version, **kept, "later": _changes(families, later)}) + "\n"
    durable_file.replace(path, text)


def _text(value: object, indent: str = "") -> str:
    """Return JSON in which each list and each word has a line of its own."""
    if not isinstance(value, dict) or not value:
        return json.dumps(value)
    lines = (f"{indent}  {json.dumps(key)}: {_text(each, indent + '  ')}" for key, each in value.items())
    return "{\n" + ",\n".join(lines) + f"\n{indent}}}"


def _kept(family: str, one: Property) -> list[str]:
    return [one.kind, one.default, *([one.valid] if family == _JUDGED else [])]


def _changes(before: Families, later: Mapping[str, Families]) -> dict[str, dict[str, dict[str, object]]]:
    """Return version → family → what it has (`set`) and has not (`gone`) otherwise than the version before."""
    found: dict[str, dict[str, dict[str, object]]] = {}
    for version, families in later.items():
        for family, properties in families.items():
            old = {name: _kept(family, one) for name, one in before[family].items()}
            now = {name: _kept(family, one) for name, one in properties.items()}
            changed = {name: kept for name, kept in now.items() if old.get(name) != kept}
            change: dict[str, object] = {"set": changed, "gone": sorted(old.keys() - now.keys())}
            if kept := {what: names for what, names in change.items() if names}:
                found.setdefault(version, {})[family] = kept
        before = {**before, **families}
    return found


def main(argv: Sequence[str]) -> ExitCode:
    """Write schemas/kafka-properties.json again, from the classes of the locked Kafka version."""
    argparse.ArgumentParser(prog="nox -s kafka-properties", description=main.__doc__).parse_args(argv)
    settings = Settings()
    lock = artifacts.read_lock(settings.root / LOCK_FILE)
    jars = artifacts.ensure(lock[ARTIFACT_SET], settings.cache_dir, console.download)
    version, java = kafka_version(jars), jre.java()
    described = {version: describe(java, jars)}
    for each in kafka_versions.known(settings):
        if kafka_versions.numbers(each) > kafka_versions.numbers(version):  # its worker may not be there yet
            brokers = artifacts.ensure(lock[f"kafka@{each}"], settings.cache_dir, console.download)
            described[each] = describe(java, brokers, [family for family in PRINTERS if family != "connect"])
    first, *later = described
    write(DATA_FILE, version, described[first], {each: described[each] for each in later})
    for each, families in described.items():
        counts = ", ".join(f"{len(properties)} {family}" for family, properties in families.items())
        console.say(f"Kafka {each}: {counts} properties")
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(program.run(main, sys.argv[1:]))
