"""A topic's records for a page: which, decoded, and what the topic's contract says of each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backbone.errors import ExitCode, StackError
from backbone.events import reading
from backbone.events.records import Codec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backbone.web.desk import Desk

MOST = 200
_COUNT = 20
_READ_MOST = 20_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records. start: "" for the last ones, else as `consume --from` takes it. field, value: a field's value."""

    start: str = ""
    partition: int | None = None
    key: str = ""
    field: str = ""
    value: str = ""
    count: int = _COUNT

    @classmethod
    def from_form(cls, form: Mapping[str, str]) -> Wanted:
        """Return what a form asks for; StackError("bad-number") where a number is none."""
        return cls(
            form.get("start", "").strip(),
            _number(form, "partition"),
            form.get("key", ""),
            form.get("field", "").strip(),
            form.get("value", ""),
            max(1, min(MOST, _number(form, "count") or _COUNT)),
        )

    def takes(self, record: Mapping[str, Any]) -> bool:
        """Tell whether a record has the field's value that is asked for; a field is dotted."""
        if not self.field:
            return True
        found: Any = record.get("value")
        for step in self.field.split("."):
            found = found.get(step) if isinstance(found, dict) else None
        return found is not None and self.value in (str(found), json.dumps(found))


@dataclass(frozen=True, slots=True)
class Row:
    """A record as JSON, and what the contract says: "" for no contract, "follows vN", or the fields that break it."""

    record: Mapping[str, Any]
    verdict: str
    good: bool

    @property
    def text(self) -> str:
        """The whole record as JSON, to be copied."""
        return json.dumps(self.record, indent=2, ensure_ascii=False)

    @property
    def value(self) -> str:
        """Its value in one line."""
        return json.dumps(self.record.get("value", self.record.get("raw")), ensure_ascii=False)


def rows(desk: Desk, topic: str, wanted: Wanted) -> list[Row]:
    """Read records, the newest first unless there is a start; no group is joined and no offset moved.

    At most 20,000 are looked at for a field's value.
    """
    searching = bool(wanted.field)
    selection = reading.Selection(
        start=wanted.start or "earliest",
        last=None if wanted.start else (_READ_MOST if searching else wanted.count),
        partitions=frozenset() if wanted.partition is None else frozenset({wanted.partition}),
        key=wanted.key.encode() if wanted.key else None,
        maximum=_READ_MOST if searching else wanted.count,
    )
    codec = _codec(desk, topic)
    found = []
    for message in reading.consume(desk.cluster.bootstrap, topic, selection):
        record = reading.shown(message, desk.decoder(), by_contract=codec is not None, headers=True)
        if wanted.takes(record):
            found.append(record)
            if wanted.start and len(found) == wanted.count:
                break
    chosen = found[: wanted.count] if wanted.start else found[: -wanted.count - 1 : -1]
    return [Row(record, *_verdict(record, codec)) for record in chosen]


def codec(desk: Desk, topic: str) -> Codec:
    """Return what makes records of a topic by its contract; StackError("no-contract") if it has none."""
    found = _codec(desk, topic)
    if found is None:
        raise StackError("no-contract", f"topic {topic!r} has no contract", exit_code=ExitCode.USAGE)
    return found


def _codec(desk: Desk, topic: str) -> Codec | None:
    if desk.stack is None or desk.registry is None:
        return None
    contract = desk.contracts().for_topic(topic)
    return None if contract is None else Codec.registered(contract, desk.registry)


def _verdict(record: Mapping[str, Any], codec: Codec | None) -> tuple[str, bool]:
    if codec is None:
        return "", True
    version = f"{codec.contract.subject} v{codec.contract.latest.number}"
    if "error" in record:
        return f"{version}: {record['error']}", False
    if record["value"] is None:
        return "tombstone", True
    _, violations = codec.record(record["value"])
    if violations:
        return f"{version}: " + "; ".join(map(str, violations[:_SHOWN])), False
    return f"follows {version}", True


_SHOWN = 3


def _number(form: Mapping[str, str], name: str) -> int | None:
    text = form.get(name, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):  # noqa: PLR2004 - Kafka's are 32-bit numbers
        raise StackError("bad-number", f"{name} wants a number, not {text[:20]!r}", exit_code=ExitCode.USAGE)
    return int(text)
