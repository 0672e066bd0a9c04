"""Producing and consuming by contract."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .command import command
from .stack import COMMAND_CONFIG_HELP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from invoke.context import Context

    from backbone.errors import ExitCode
    from backbone.events.contracts.registry import Registry


@command(
    positional=["topic"],
    help={
        "topic": "a topic that has a contract",
        "file": "JSON lines, one record a line; - or nothing for standard input",
        "bootstrap": "HOST:PORT of a broker; default: this stack's",
        "command_config": COMMAND_CONFIG_HELP,
        "registry": "URL of a registry with Confluent's API; default: this stack's",
    },
)
def produce(
    _c: Context, topic: str, *, file: str = "", bootstrap: str = "", command_config: str = "", registry: str = ""
) -> None:
    """Send JSON lines to a topic by its contract: all of them, or none if a line is wrong."""
    from backbone import console
    from backbone.events import records
    from backbone.stack.settings import Settings

    from . import targets
    from .contracts import contract_of, open_registry

    settings = Settings()
    contract = contract_of(settings, topic)
    brokers = targets.brokers(settings, bootstrap, command_config)
    limit = records.largest_record(brokers, topic)
    codec = records.Codec.registered(contract, open_registry(settings, registry))
    with _input(file, topic) as path:
        count = records.produce(
            lambda: records.lines(path), codec, lambda: records.transaction(brokers, topic, limit), limit
        )
    console.say(f"{count} records sent to {topic}, by {contract.subject} v{contract.latest.number}")


@command(
    positional=["topic"],
    iterable=["partition"],
    help={
        "topic": "any topic",
        "from": "earliest | latest | an offset | a moment such as 2026-01-31T12:00:00Z",
        "last": "the last so many records of the topic instead",
        "group": "from where this consumer group would go on instead; the group is left alone",
        "partition": "only this partition; repeat it for more",
        "key": "only records with this key",
        "headers": "show the records' headers as well",
        "max": "stop after so many records; default: at the end of the topic",
        "follow": "go on with records as they come",
        "format": "record (one JSON object a line, with its place) | value (the value alone)",
        "bootstrap": "HOST:PORT of a broker; default: this stack's",
        "command_config": COMMAND_CONFIG_HELP,
        "registry": "URL of a registry with Confluent's API; default: this stack's",
    },
)
def consume(
    _c: Context,
    topic: str,
    *,
    from_: str = "",
    last: int = 0,
    group: str = "",
    partition: list[str] | None = None,
    key: str = "",
    headers: bool = False,
    max_: int = 0,
    follow: bool = False,
    format_: str = "record",
    bootstrap: str = "",
    command_config: str = "",
    registry: str = "",
) -> ExitCode | None:
    """Print a topic's records as JSON lines: by contract, else as JSON or text. No group is joined, no offset moved."""
    import json

    from backbone import console
    from backbone.errors import ExitCode
    from backbone.events import reading
    from backbone.events.contracts import repository
    from backbone.events.contracts.wire import Decoder
    from backbone.stack.settings import Settings

    from . import targets
    from .contracts import open_registry

    if format_ not in ("record", "value"):
        raise _usage("unknown-format", f"there is no format {format_!r}", "--format record or value")
    if sum(map(bool, (from_, last, group))) > 1:
        raise _usage("two-starts", "--from, --last and --group each say where to begin", "give one of them")
    for flag, number in (("--last", last), ("--max", max_)):
        if not 0 <= number <= sys.maxsize:
            raise _usage("bad-number", f"{flag} wants a number of records, not {number}", f"{flag} 10")
    settings = Settings()
    selection = reading.Selection(
        start=from_ or "earliest",
        last=last or None,
        group=group,
        partitions=frozenset(map(_partition, partition or ())),
        key=key.encode(errors="surrogateescape") if key else None,
        maximum=max_ or None,
        follow=follow,
    )
    by_contract = (settings.root / repository.FOLDER / f"{topic}-value").is_dir()
    decoder = Decoder(_lookup(lambda: open_registry(settings, registry), needed=by_contract))
    wrong = 0
    for message in reading.consume(targets.brokers(settings, bootstrap, command_config), topic, selection):
        record = reading.shown(message, decoder, by_contract=by_contract, headers=headers)
        wrong += "error" in record
        whole = format_ == "record" or "error" in record
        sys.stdout.write(json.dumps(record if whole else record["value"], ensure_ascii=False) + "\n")
        if follow:
            sys.stdout.flush()
    if wrong:
        console.say(f"{wrong} records do not follow a contract; they are shown with their error")
        return ExitCode.FINDINGS
    return None


def _usage(reference: str, message: str, hint: str) -> Exception:
    from backbone.errors import ExitCode, StackError

    return StackError(reference, message, hint=hint, exit_code=ExitCode.USAGE)


def _partition(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):  # noqa: PLR2004 - Kafka's are 32-bit numbers
        raise _usage("bad-number", f"--partition wants a number, not {text!r}", "such as --partition 0")
    return int(text)


def _lookup(open_registry: Callable[[], Registry], *, needed: bool) -> Callable[[int], Any]:
    """Return what asks the registry for schemas; where no contract needs it, it may be away, which is said once."""
    from backbone import console
    from backbone.errors import StackError

    away = False

    def schema(identity: int) -> Any:
        nonlocal away
        if away:
            return None
        try:
            return open_registry().schema(identity)
        except StackError as error:
            if needed or error.reference == "unsupported-schema":
                raise
            away = True
            console.say(f"no schema is looked up: {error.message}")
            return None

    return schema


@contextmanager
def _input(name: str, topic: str) -> Iterator[Path]:
    """Yield the input as a file that can be read twice; standard input or a pipe is kept in one for that long."""
    import tempfile

    if name in ("", "-") and (sys.stdin is None or (not name and sys.stdin.isatty())):
        hint = f"./invoke produce {topic} --file events.jsonl\ncat events.jsonl | ./invoke produce {topic}"
        raise _usage("no-input", "there is no input: neither a file nor a pipe", hint)
    with tempfile.TemporaryDirectory() as folder:
        yield _regular_file(name, Path(folder) / "records.jsonl")


def _regular_file(name: str, copy: Path) -> Path:
    """Return the file of that name, or a copy if it can be read only once."""
    import shutil

    from backbone.errors import ExitCode, StackError

    piped = name in ("", "-")
    try:
        with sys.stdin.buffer if piped else Path(name).open("rb") as source:
            if not piped and Path(name).is_file():
                return Path(name)
            with copy.open("wb") as target:
                shutil.copyfileobj(source, target)
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        reason = getattr(error, "strerror", None) or str(error)
        raise StackError(
            "no-file", f"{name or 'standard input'} cannot be read: {reason}", exit_code=ExitCode.USAGE
        ) from error
    return copy
