"""Producing and consuming by contract."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.tasks.command import command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from invoke.context import Context

    from backbone.errors import ExitCode


@command(
    positional=["topic"],
    help={
        "topic": "a topic that has a contract",
        "file": "JSON lines, one record a line; - for standard input",
        "bootstrap": "HOST:PORT of a broker; default: this stack's",
        "registry": "URL of a registry with Confluent's API; default: this stack's",
    },
)
def produce(_c: Context, topic: str, *, file: str, bootstrap: str = "", registry: str = "") -> None:
    """Send JSON lines to a topic by its contract: all of them, or none if a line is wrong."""
    from backbone import console
    from backbone.errors import ExitCode, StackError
    from backbone.events import records
    from backbone.stack import endpoints
    from backbone.stack.settings import Settings
    from scripts.tasks.contracts import load, open_registry

    settings = Settings()
    contracts = load(settings)
    contract = contracts.for_topic(topic)
    if contract is None:
        raise StackError(
            "no-contract",
            f"topic {topic!r} has no contract",
            context="topics with one: " + ", ".join(sorted(each.topic for each in contracts.contracts)),
            hint=f"add schemas/contracts/{topic}-value/",
            exit_code=ExitCode.USAGE,
        )
    codec = records.Codec.registered(contract, open_registry(settings, registry))
    brokers = (bootstrap,) if bootstrap else endpoints.bootstrap(endpoints.model(settings))
    with _input(file) as path:
        count = records.produce(lambda: _lines(path), codec, lambda: records.transaction(brokers, topic))
    console.say(f"{count} records sent to {topic}, by {contract.subject} v{contract.latest.number}")


@command(
    positional=["topic"],
    help={
        "topic": "any topic",
        "from": "earliest | latest | an offset | a moment such as 2026-01-31T12:00:00Z",
        "max": "stop after so many records; default: at the end of the topic",
        "follow": "go on with records as they come",
        "format": "record (one JSON object a line, with its place) | value (the value alone)",
        "bootstrap": "HOST:PORT of a broker; default: this stack's",
        "registry": "URL of a registry with Confluent's API; default: this stack's",
    },
)
def consume(
    _c: Context,
    topic: str,
    *,
    from_: str = "earliest",
    max_: int = 0,
    follow: bool = False,
    format_: str = "record",
    bootstrap: str = "",
    registry: str = "",
) -> ExitCode | None:
    """Print a topic's records as JSON lines, read by contract. No group is used and no offset moved."""
    import json

    from backbone import console
    from backbone.errors import ExitCode, StackError
    from backbone.events import records
    from backbone.events.contracts.wire import Decoder
    from backbone.stack import endpoints
    from backbone.stack.settings import Settings
    from scripts.tasks.contracts import open_registry

    if format_ not in ("record", "value"):
        raise StackError(
            "unknown-format",
            f"there is no format {format_!r}",
            hint="--format record or value",
            exit_code=ExitCode.USAGE,
        )
    settings = Settings()
    decoder = Decoder(open_registry(settings, registry).schema)
    brokers = (bootstrap,) if bootstrap else endpoints.bootstrap(endpoints.model(settings))
    unreadable = 0
    for message in records.consume(brokers, topic, start=from_, maximum=max_ or None, follow=follow):
        record = records.shown(message, decoder)
        unreadable += "error" in record
        whole = format_ == "record" or "error" in record
        sys.stdout.write(json.dumps(record if whole else record["value"], ensure_ascii=False) + "\n")
        if follow:
            sys.stdout.flush()
    if unreadable:
        console.say(f"{unreadable} records do not follow a contract; they are shown with their error")
        return ExitCode.FINDINGS
    return None


@contextmanager
def _input(name: str) -> Iterator[Path]:
    """Yield the input as a file that can be read twice; standard input is kept in one for that long."""
    import shutil
    import tempfile

    from backbone.errors import ExitCode, StackError

    if name != "-":
        path = Path(name)
        if not path.is_file():
            raise StackError("no-file", f"there is no file {name!r}", exit_code=ExitCode.USAGE)
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records.jsonl"
        with path.open("wb") as copy:
            shutil.copyfileobj(sys.stdin.buffer, copy)
        yield path


def _lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text file; StackError("not-text") if it is none."""
    from backbone.errors import ExitCode, StackError

    try:
        with path.open(encoding="utf-8") as file:
            yield from file
    except UnicodeDecodeError as error:
        raise StackError(
            "not-text", f"{path.name} is no UTF-8 text", context=str(error), exit_code=ExitCode.USAGE
        ) from error
