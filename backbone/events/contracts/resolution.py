"""Whether data written by one Avro schema can be read by another: schema resolution, Avro specification 1.12.

Every reason has its place in both schemas. Beyond the specification a change of the logical type is a break as well,
not only of a decimal's: the bytes can be read, and mean something else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from backbone.events.contracts.avrotypes import Field, Steps, Type

Place: TypeAlias = tuple[str, ...]
"""The way to a value by the names of fields; ITEM stands for the items of an array, VALUE for the values of a map."""

ITEM, VALUE = "[]", "{}"
_PROMOTED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "int": frozenset({"long", "float", "double"}),
        "long": frozenset({"float", "double"}),
        "float": frozenset({"double"}),
        "string": frozenset({"bytes"}),
        "bytes": frozenset({"string"}),
    }
)


class Break(NamedTuple):
    """One reason why the reader cannot read what the writer wrote, with its place in each of the two schemas."""

    place: Place
    reason: str
    reader: Steps
    writer: Steps
    repeated: bool = False
    """True where a pair of records comes again: its own reasons stand where it came first."""


def breaks(reader: Type, writer: Type) -> list[Break]:
    """Return every reason why `reader` cannot read all that `writer` may have written; none if it can.

    A record may contain itself: while a pair of records is looked at, it is taken to be readable. If it turns out not
    to be, whatever relied on that is looked at once more, until nothing new comes up.
    """
    unreadable: set[_Pair] = set()
    while True:
        walk = _Walk(frozenset(unreadable))
        found = walk.breaks(reader, writer, ())
        if walk.unreadable <= unreadable:
            return [each for each in found if not each.repeated] or found
        unreadable |= walk.unreadable


_Pair: TypeAlias = tuple[int, int]
"""The identities of a reader's and a writer's record."""


@dataclass(slots=True)
class _Walk:
    known: frozenset[_Pair]
    unreadable: set[_Pair] = field(default_factory=set)
    seen: set[_Pair] = field(default_factory=set)

    def breaks(self, reader: Type, writer: Type, place: Place) -> list[Break]:
        if writer.kind == "union":
            return [each for branch in writer.parts for each in self.breaks(reader, branch, place)]
        if reader.kind == "union":
            return self._into_union(reader, writer, place)
        if not _match(reader, writer):
            return [_break(reader, writer, place, _mismatch(reader, writer))]
        if reader.kind == "record" == writer.kind:
            return self._records(reader, writer, place)
        if reader.kind in ("array", "map"):
            part = (*place, ITEM if reader.kind == "array" else VALUE)
            return self.breaks(reader.parts[0], writer.parts[0], part)
        return list(_scalars(reader, writer, place))

    def _into_union(self, reader: Type, writer: Type, place: Place) -> list[Break]:
        """Read into the first branch that can; if none can, the reasons of the nearest one that matches by name."""
        matching = sorted(
            (branch for branch in reader.parts if _match(branch, writer)),
            key=lambda branch: (branch.branch != writer.branch, branch.kind != writer.kind),
        )
        nearest: list[Break] = []
        for branch in matching:
            found = self.breaks(branch, writer, place)
            if not found:
                return []
            nearest = nearest or found
        return nearest or [_break(reader, writer, place, f"{writer} is not in the union {reader}")]

    def _records(self, reader: Type, writer: Type, place: Place) -> list[Break]:
        pair = (id(reader), id(writer))
        if pair in self.seen:
            if pair not in self.known:
                return []
            return [_break(reader, writer, place, f"record {reader.name} cannot be read")._replace(repeated=True)]
        self.seen.add(pair)
        found = [each for wanted in reader.fields for each in self._field(wanted, writer, place)]
        if found:
            self.unreadable.add(pair)
        return found

    def _field(self, wanted: Field, writer: Type, place: Place) -> list[Break]:
        here = (*place, wanted.name)
        sources = [each for each in writer.fields if each.name == wanted.name or each.name in wanted.aliases]
        if len(sources) > 1:
            names = " and ".join(source.name for source in sources)
            reason = f"{names} would both be read into it, by its name and its aliases"
            return [Break(here, reason, wanted.steps, sources[-1].steps)]
        if sources:
            return self.breaks(wanted.type, sources[0].type, here)
        if wanted.has_default:
            return []
        return [Break(here, "the field has no default and is not in every version", wanted.steps, writer.steps)]


def _match(reader: Type, writer: Type) -> bool:
    """Tell whether two types that are no unions match as such, whatever their parts are."""
    if reader.kind != writer.kind:
        return reader.kind in _PROMOTED.get(writer.kind, ())
    return not reader.name or reader.short_name == writer.short_name or writer.name in reader.aliases


def _mismatch(reader: Type, writer: Type) -> str:
    if reader.kind == writer.kind:
        return f"the {reader.kind} was renamed from {writer.name} to {reader.name} without an alias"
    return f"it was {writer} and is {reader}"


def _scalars(reader: Type, writer: Type, place: Place) -> Iterator[Break]:
    if reader.kind == "fixed" and reader.size != writer.size:
        yield _break(reader, writer, place, f"fixed {reader.name} had {writer.size} bytes and has {reader.size}")
    unknown = [symbol for symbol in writer.symbols if symbol not in reader.symbols]
    if unknown and reader.default_symbol not in reader.symbols:
        yield _break(reader, writer, place, f"the enum does not know {', '.join(unknown)} and has no default")
    if (before := _meaning(writer)) != (after := _meaning(reader)):
        yield _break(reader, writer, place, f"the meaning changed from {before} to {after} under the same bytes")


def _meaning(scalar: Type) -> str:
    if scalar.logical == "decimal":
        return f"decimal({scalar.precision}, {scalar.scale})"
    if scalar.logical == "uuid" and scalar.kind == "string":
        return "a plain value"  # the text is the same
    return scalar.logical or "a plain value"


def _break(reader: Type, writer: Type, place: Place, reason: str) -> Break:
    return Break(place, reason, reader.steps, writer.steps)
