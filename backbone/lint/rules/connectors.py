"""Rules on connectors: their files, and requests that register one (KC701)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backbone.lint.kafka import clients
from backbone.lint.model import Finding, Severity, rule
from backbone.source import compose_file, reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from backbone.lint.project import Project
    from backbone.source.span import Span

_SINK = re.compile(r"Sink\w*$|\bsink\b", re.IGNORECASE)
_SOURCES = re.compile(
    # By its name, Debezium's (all but its sinks), and those that are called neither.
    r"Source\w*$|^io\.debezium\.connector\.|\.mirror\.Mirror\w+Connector$|\.DatagenConnector$|\.(PgSource|SpoolDir\w+)$"
)
_TOLERANCE = "errors.tolerance"
_DEAD_LETTERS = "errors.deadletterqueue."
_FOLDER = re.compile("connect", re.IGNORECASE)
_MAX_FILES = 200
_MAX_BYTES = 256 * 1024
_INLINE = re.compile(r"""["'](?P<key>[\w.]+)\\?["']\s*:\s*\\?["'](?P<value>[^"'\\]*)\\?["']""")


@dataclass(frozen=True, eq=False)
class Connector:
    """One connector's properties and the place of each."""

    name: str
    properties: Mapping[str, str]
    places: Mapping[str, Span]
    service: str = ""

    @property
    def is_source(self) -> bool:
        """Whether its class is known to read from a system into Kafka."""
        kind = self.properties.get("connector.class", "")
        return bool(_SOURCES.search(kind)) and not _SINK.search(kind)


@rule("KC701", "source-connector-loses", Severity.ERROR)
def source_connector_loses(project: Project) -> Iterator[Finding]:
    """Flag a source connector that passes over records it cannot convert, or that counts on a dead-letter topic.

    Looked at: JSON files beside the Compose file, in folders whose name speaks of Connect and in those that a service
    mounts, and JSON in commands and inline configs. A connector is a source by its class; where the class does not say,
    nothing is told. With `errors.log.enable` the loss is at least written to the worker's log, and it is a warning.

    Why:
        `errors.tolerance: all` skips each record whose conversion or transformation fails, and the source's position
        moves on: it is lost without a word. Dead-letter topics are for sinks only (KIP-298); a source connector never
        writes to one.

    Fails:
        services:
          connect: {image: "quay.io/debezium/connect:3.2.0.Final"}
        --- connectors/orders.json
        {"name": "orders", "config": {
          "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
          "errors.tolerance": "all"}}

    Passes:
        services:
          connect: {image: "quay.io/debezium/connect:3.2.0.Final"}
        --- connectors/orders.json
        {"name": "orders", "config": {
          "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
          "errors.tolerance": "none"}}

    Source:
        KIP-298; org.apache.kafka.connect.runtime.SinkConnectorConfig
    """
    for one in _connectors(project):
        if not one.is_source:
            continue
        if one.properties.get(_TOLERANCE, "").lower() == "all":
            logged = one.properties.get("errors.log.enable", "").lower() == "true"
            yield Finding(
                at=one.places[_TOLERANCE],
                message=f"the source connector {one.name} skips every record it cannot convert",
                service=one.service,
                evidence=f"{one.name}:{_TOLERANCE}",
                label="lost, and written to the log alone" if logged else "lost without a word",
                help=f"set {_TOLERANCE} to none, so that the task stops where the record is",
                severity=Severity.WARNING if logged else None,
            )
        for name in one.properties:
            if name.startswith(_DEAD_LETTERS) and one.properties[name]:
                yield Finding(
                    at=one.places[name],
                    message=f"the source connector {one.name} sets {name}, which only sinks have",
                    service=one.service,
                    evidence=f"{one.name}:{name}",
                    label="never written to",
                    help=f"remove it, and set {_TOLERANCE} to none",
                )
                break


def _connectors(project: Project) -> Iterator[Connector]:
    """Yield every connector of the project's files, commands and inline configs."""
    if not any(clients.is_connect(service) for service in project.services.values()):
        return
    for path in _files(project):
        yield from _of_file(path)
    for service in project.services.values():
        for path_, text in clients.scripts_of(service):
            if "connector.class" in text:
                yield from _inline(text, service.where, path_, service.name)
    for name, body in project.section("configs").items():
        text = str(body.get("content") or "")
        if "connector.class" in text:
            yield from _inline(text, project.where, ("configs", name, "content"))


def _files(project: Project) -> list[Path]:
    """Return the JSON files that may hold a connector, each once."""
    folders = [project.directory]
    folders += [path for path in sorted(project.directory.iterdir()) if path.is_dir() and _FOLDER.search(path.name)]
    for service in project.services.values():
        for mount in service.mounts:
            source = project.directory / mount.source
            if mount.kind == "bind" and source.is_relative_to(project.directory) and source != project.directory:
                folders += [source] if source.is_dir() else []
    found = [path for folder in folders for path in sorted(folder.glob("*.json"))]
    for folder in folders[1:]:
        found += sorted(folder.glob("*/*.json"))
    return [path for path in dict.fromkeys(found) if not reading.why_unreadable(path, _MAX_BYTES)][:_MAX_FILES]


def _of_file(path: Path) -> Iterator[Connector]:
    """Yield the connector of a file: {"name", "config"}, or its properties alone."""
    text = reading.peek(path, _MAX_BYTES)
    if "connector.class" not in text:
        return
    try:
        json.loads(text)
    except ValueError:
        return
    for file in compose_file.parse(path, text):
        top = compose_file.entries(file.root)
        body = compose_file.entries(top["config"][1]) if "config" in top else top
        named = top.get("name") or body.get("name")
        if "connector.class" in body:
            values = {key: str(node.value) for key, (_, node) in body.items()}
            places = {key: file.span_of(pair[0]) for key, pair in body.items()}
            yield Connector(str(named[1].value) if named else path.stem, values, places)


def _inline(
    text: str, where: Callable[..., Span], path: tuple[str | int, ...], service: str = ""
) -> Iterator[Connector]:
    """Yield the connectors of a JSON text inside a script: each begins where another class is named."""
    pieces = re.split(r"(?=[\"']connector\.class)", text)
    names = re.findall(r"""["']name\\?["']\s*:\s*\\?["']([^"'\\]+)""", text)
    for index, piece in enumerate(pieces[1:]):
        values = {match["key"]: match["value"] for match in _INLINE.finditer(piece)}
        name = names[index] if index < len(names) else values.get("name", "")
        yield Connector(name, values, {key: where(*path, part=key) for key in values}, service)
