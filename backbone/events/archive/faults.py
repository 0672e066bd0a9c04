"""What goes wrong with real records: each valid by contract, or sent past it, and where it has to end."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, NamedTuple

from backbone.events.archive.events import Events
from backbone.events.records import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backbone.events.records import Codec

_NOT_AVRO = b"\xffnot by contract"
_YEAR_318857 = 10**16  # milliseconds; PostgreSQL's last year is 294276
_TOO_LONG = 4_000  # characters of a key: an entry of an index has 2,704 bytes at most
_FIRST = 2 * 10**9  # numbers of events that no ordinary one has


class Fault(NamedTuple):
    """A record that belongs to the dead letters. cause: SQLSTATE, or "" for one that is not read at all."""

    name: str
    cause: str
    record: Record


def faults(source: str, codec: Codec, series: int) -> Iterator[Fault]:
    """Yield the faults of a source, with other keys for each series."""
    plain = Events(source)[_FIRST + series]

    def bad(name: str, cause: str, **values: Any) -> Fault:
        key = values.get("event_id", f"{source}/{series}/{name}")
        converted = codec.converter.convert(plain)[0] | {"event_id": key} | values
        return Fault(name, cause, Record(key.encode(), codec.encoder.encode(converted)))

    yield Fault("not by contract", "", Record(f"{source}/{series}/unread".encode(), _NOT_AVRO))
    yield bad("U+0000 in a text", "22021", payload="before\0after")
    yield bad("a moment beyond PostgreSQL's", "22008", occurred_at=_YEAR_318857)
    # Random, for what repeats itself is compressed and fits.
    digits = random.Random(f"{source}/{series}").choices("0123456789abcdef", k=_TOO_LONG)  # noqa: S311 - no secret
    yield bad("a key of 4,000 characters", "54000", event_id=f"{source}/{series}/" + "".join(digits))
