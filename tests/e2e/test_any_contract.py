"""Contracts and records that Hypothesis makes, through registry, Kafka, Connect and PostgreSQL: row or dead letter.

SINK_CONTRACTS and SINK_RECORDS set how many contracts, and how many records of each; nox -s e2e-sink takes 200 of 100.
"""

from __future__ import annotations

import json
import math
import os
import random
import struct
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from backbone.events.connectors import columns
from tests.e2e.sink_lab import Lab

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.e2e.checkout import Checkout

CONTRACTS = int(os.environ.get("SINK_CONTRACTS", "12"))
RECORDS = int(os.environ.get("SINK_RECORDS", "40"))
SEED = int(os.environ.get("SINK_SEED", "13"))

# PostgreSQL 18, table 8.9: 4713 BC to 294276 AD; before year 1 the way through Java's calendar may be refused or not.
_YEAR_1 = int(datetime(1, 1, 1, tzinfo=UTC).timestamp() * 1000)
_YEAR_294277 = 9_224_318_016_000_000
_DAY_1, _DAY_5874898 = date(1, 1, 1).toordinal() - date(1970, 1, 1).toordinal(), 2_145_031_949
_KEY_BYTES = 2_600

ROW, DEAD, EITHER = "row", "dead", "either"


@dataclass(frozen=True)
class Kind:
    """A type of a contract, values for it, how a column of it is read, and what must come of a value."""

    avro: Any
    values: st.SearchStrategy[Any]
    select: str = "{}"
    fate: Any = lambda _: ROW
    same: Any = lambda sent, found: sent == found


def text_fate(text: str) -> str:
    return DEAD if "\0" in text else ROW


def json_fate(text: str) -> str:
    try:
        json.loads(text)
    except ValueError:
        return DEAD
    return ROW


def between(low: int, high: int) -> Any:
    return lambda number: EITHER if number < low else DEAD if number >= high else ROW


def same_float(sent: float, found: float) -> bool:
    return (math.isnan(sent) and math.isnan(found)) or sent == found


def same_single(sent: float, found: float) -> bool:
    """Compare as 32 bits: PostgreSQL writes the shortest digits that give them."""
    return struct.pack("<f", sent) == struct.pack("<f", found) or (math.isnan(sent) and math.isnan(found))


# Of the last number of all, 5.8 million years ago, the driver makes -infinity.
_DAY_BC_4713, _INFINITE = -2_440_550, -(10**10)
# In the last 30 years that there are, extract(epoch …) divides to 16 digits, and loses the last ones of a microsecond.
_SELECT_MICROS = "(extract(epoch from date_trunc('minute', {0})) * 1000000 + extract(microseconds from {0}))::bigint"
_SELECT_DAYS = "CASE WHEN NOT isfinite({0}) THEN -10000000000 ELSE {0} - date '1970-01-01' END"


def same_day(sent: int, found: int) -> bool:
    return sent == found or (found == _INFINITE and sent < _DAY_BC_4713)


TEXT = st.text(max_size=20)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXT),
    lambda part: st.one_of(st.lists(part, max_size=3), st.dictionaries(TEXT, part, max_size=3)),
    max_leaves=5,
)
INT = st.integers(-(2**31), 2**31 - 1)
LONG = st.integers(-(2**63), 2**63 - 1)
FLOAT = st.floats(width=32)
MILLIS = st.one_of(st.integers(_YEAR_1, 253_402_300_799_999), st.sampled_from([0, -1, _YEAR_294277 - 1]), LONG)
DAYS = st.one_of(st.integers(_DAY_1, 2_932_896), INT)
SYMBOLS = ("A", "B", "LONG_ONE")


def array(items: Any, values: st.SearchStrategy[Any], fate: Any = lambda _: ROW, same: Any = None) -> Kind:
    def whole(value: Sequence[Any]) -> str:
        return DEAD if any(fate(item) == DEAD for item in value) else ROW

    alike = same or (lambda sent, found: sent == found)
    return Kind(
        {"type": "array", "items": items},
        st.lists(values, max_size=4),
        "{}",
        whole,
        lambda sent, found: len(sent) == len(found) and all(map(alike, sent, found)),
    )


def logical(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "logicalType": name, **more}


def kinds(number: int) -> list[Kind]:
    """Return every type that a column takes; number: of the field, for the names of named types."""
    return [
        Kind("boolean", st.booleans()),
        Kind("int", INT),
        Kind("long", LONG),
        Kind("float", FLOAT, same=same_single),
        Kind("double", st.floats(), same=same_float),
        Kind("string", TEXT, fate=text_fate),
        Kind("bytes", st.binary(max_size=20)),
        Kind({"type": "fixed", "name": f"Fixed{number}", "size": 3}, st.binary(min_size=3, max_size=3)),
        Kind({"type": "enum", "name": f"Enum{number}", "symbols": list(SYMBOLS)}, st.sampled_from(SYMBOLS)),
        Kind(logical("string", "uuid"), st.uuids().map(str)),
        Kind(
            logical("bytes", "decimal", precision=18, scale=4),
            st.integers(-(10**18) + 1, 10**18 - 1).map(lambda units: Decimal(units).scaleb(-4)),
        ),
        Kind(logical("int", "date"), DAYS, _SELECT_DAYS, between(_DAY_1, _DAY_5874898), same_day),
        Kind(logical("int", "time-millis"), st.integers(0, 86_399_999), "(extract(epoch from {}) * 1000)::bigint"),
        Kind(
            logical("long", "timestamp-millis"),
            MILLIS,
            "(extract(epoch from {}) * 1000)::bigint",
            between(_YEAR_1, _YEAR_294277),
        ),
        Kind(
            logical("long", "timestamp-micros", **{"connect.name": "io.debezium.time.MicroTimestamp"}),
            st.one_of(st.integers(_YEAR_1 * 1000, 253_402_300_799_999_999), st.sampled_from([0, -1, 2**63 - 1]), LONG),
            _SELECT_MICROS,
            between(_YEAR_1 * 1000, 2**63),
        ),
        Kind(
            logical("long", "time-micros", **{"connect.name": "io.debezium.time.MicroTime"}),
            st.integers(0, 86_399_999_999),
            "(extract(epoch from {}) * 1000000)::bigint",
        ),
        Kind(
            {"type": "string", "connect.name": "io.debezium.data.Json"},
            st.one_of(JSON.map(json.dumps), TEXT),
            "{}::text",
            json_fate,
        ),
        array("string", TEXT, text_fate),
        array("long", LONG),
        array("boolean", st.booleans()),
        array("float", FLOAT, same=same_single),
    ]


def nullable(kind: Kind) -> Kind:
    return Kind(
        ["null", kind.avro],
        st.one_of(st.none(), kind.values),
        kind.select,
        lambda value: ROW if value is None else kind.fate(value),
        lambda sent, found: found is None if sent is None else found is not None and kind.same(sent, found),
    )


@dataclass(frozen=True)
class Made:
    """One contract: its fields, values to make records of, and whether its last field came with a second version."""

    fields: tuple[tuple[str, Kind], ...]
    pools: tuple[tuple[Any, ...], ...]
    ids: tuple[str, ...]
    widened: bool

    def schema(self, fields: int) -> dict[str, Any]:
        shown = [
            {"name": name, "type": kind.avro, **({"default": None} if isinstance(kind.avro, list) else {})}
            for name, kind in self.fields[:fields]
        ]
        return {"type": "record", "name": "Made", "fields": [{"name": "id", "type": "string"}, *shown]}


@st.composite
def contracts(draw: st.DrawFn) -> Made:
    names = draw(
        st.lists(st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True), min_size=1, max_size=6, unique=True).filter(
            lambda found: "id" not in found and not set(found) & {"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"}
        )
    )
    fields = []
    for number, name in enumerate(names):
        kind = draw(st.sampled_from(kinds(number)))
        last = number == len(names) - 1
        fields.append((name, nullable(kind) if last or draw(st.booleans()) else kind))
    pools = tuple(tuple(draw(st.lists(kind.values, min_size=4, max_size=8))) for _, kind in fields)
    ids = tuple(draw(st.lists(st.text(max_size=12), min_size=3, max_size=6)))
    return Made(tuple(fields), pools, ids, draw(st.booleans()))


def made_contracts(count: int) -> list[Made]:
    found: list[Made] = []

    @seed(SEED)
    @settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(contracts())
    def collect(made: Made) -> None:
        found.append(made)

    collect()
    return found


def made_records(made: Made, count: int, chance: random.Random) -> list[tuple[int, dict[str, Any]]]:
    """Return (fields of the version, record): most ids once, some twice, one too long for an index."""
    records = []
    for number in range(count):
        version = len(made.fields) - (1 if made.widened and chance.random() < 0.5 else 0)
        values = {name: chance.choice(pool) for (name, _), pool in zip(made.fields[:version], made.pools, strict=False)}
        identity = f"{number if chance.random() < 0.9 else number // 2}/{chance.choice(made.ids)}"
        if number == count // 2:
            identity += "".join(chance.choices("0123456789abcdef", k=4_000))
        records.append((version, {"id": identity, **values}))
    return records


def fate(made: Made, record: dict[str, Any]) -> str:
    fates = {kind.fate(record[name]) for name, kind in made.fields if name in record}
    fates |= {text_fate(record["id"]), DEAD if len(record["id"].encode()) > _KEY_BYTES else ROW}
    return DEAD if DEAD in fates else EITHER if EITHER in fates else ROW


def differences(lab: Lab, part: str, made: Made, records: Sequence[dict[str, Any]], dead: set[int]) -> list[str]:
    """Say what is missing, there without reason, or other than it was sent."""
    said = []
    last: dict[str, int] = {}
    # What a record of the first version does not have stays as a record of the second one left it.
    rows_sent: dict[str, dict[str, Any]] = {}
    for offset, record in enumerate(records):
        expected = fate(made, record)
        if offset in dead:
            if expected == ROW:
                said.append(f"{part}@{offset}: refused without a reason: {record!r}")
            continue
        if expected == DEAD and all(other["id"] != record["id"] for other in records[offset + 1 :]):
            said.append(f"{part}@{offset}: not among the dead letters: {record!r}"[:300])
        last[record["id"]] = offset
        rows_sent.setdefault(record["id"], {}).update(record)
    selected = ", ".join(['"id"', *(kind.select.format(f'"{name}"') for name, kind in made.fields)])
    rows = {row[0]: row[1:] for row in lab.rows(part, selected)} if lab.column(part, "id") else {}
    for identity, offset in last.items():
        if identity not in rows:
            said.append(f"{part}@{offset}: neither row nor dead letter: {records[offset]!r}"[:300])
            continue
        for (name, kind), found in zip(made.fields, rows.pop(identity), strict=True):
            sent = rows_sent[identity].get(name)
            if not (found is None if sent is None else kind.same(sent, found)):
                said.append(f"{part}@{offset}: {name} ({kind.avro}) is {found!r}, sent was {sent!r}")
    return [*said, *(f"{part}: a row that nobody sent: {identity!r}" for identity in rows)]


def test_whatever_a_contract_allows_is_a_row_or_a_dead_letter(data_stack: Checkout) -> None:
    lab = Lab(data_stack, f"any-{uuid.uuid4().hex[:6]}")
    made = made_contracts(CONTRACTS)
    assert len(made) >= CONTRACTS * 0.9
    lab.make_topics([str(number) for number in range(len(made))])
    sent, sending = {}, {}
    for number, contract in enumerate(made):
        part = str(number)
        assert list(columns.unfit(contract.schema(len(contract.fields)))) == []
        chance = random.Random(f"{SEED}/{number}")
        records = made_records(contract, RECORDS, chance)
        encoders = {size: lab.register(part, contract.schema(size)) for size in sorted({size for size, _ in records})}
        sending[part] = [(encoders[size], record) for size, record in records]
        sent[part] = [record for _, record in records]
    lab.send(sending)
    lab.start()
    lab.await_all()
    dead: dict[str, set[int]] = {}
    for part, offset in lab.letters():
        dead.setdefault(part, set()).add(offset)
    said = [
        words
        for number, contract in enumerate(made)
        for words in differences(lab, str(number), contract, sent[str(number)], dead.get(str(number), set()))
    ]
    total = sum(map(len, sent.values()))
    print(f"{len(made)} contracts, {total} records, {sum(map(len, dead.values()))} dead letters")  # noqa: T201
    assert not said, "\n".join(said[:20])


def test_the_moments_at_the_end_are_what_postgresql_says() -> None:
    assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=_YEAR_1) == datetime(1, 1, 1, tzinfo=UTC)
