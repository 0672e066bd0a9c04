"""The Confluent wire format: byte 0, the schema's id in the registry (4 bytes, big-endian), Avro binary or JSON."""

from __future__ import annotations

import copy
import io
import json
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import fastavro
from fastavro import _read_py
from fastavro.read import LOGICAL_READERS
from fastavro.schema import SchemaParseException

from backbone.errors import StackError
from backbone.events.contracts import avrotypes
from backbone.events.contracts.model import is_json_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def _tolerant(read: Callable[..., Any]) -> Callable[..., Any]:
    """Make a reader of a logical type give the plain number where Python has no such date or time; Avro has."""

    def reader(data: Any, *schemas: Any) -> Any:
        try:
            return read(data, *schemas)
        except (OverflowError, ValueError):
            return data

    return reader


for _name in [name for name in LOGICAL_READERS if "time" in name or "date" in name]:
    LOGICAL_READERS[_name] = _tolerant(LOGICAL_READERS[_name])

_HEADER = struct.Struct(">bI")
_MAGIC = 0


class Encoder:
    """Writes records of one registered schema."""

    def __init__(self, schema_id: int, schema: Mapping[str, Any]) -> None:
        self._header = _HEADER.pack(_MAGIC, schema_id)
        self._schema = None if is_json_schema(schema) else fastavro.parse_schema(dict(schema))

    def encode(self, record: Mapping[str, Any]) -> bytes:
        """Return the bytes of a record whose values the contract allows (see values.Converter)."""
        if self._schema is None:
            return self._header + json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode()
        buffer = io.BytesIO()
        buffer.write(self._header)
        fastavro.schemaless_writer(buffer, self._schema, record)
        return buffer.getvalue()


@dataclass(slots=True)
class Decoder:
    """Reads records of whatever schemas they name; each is looked up once."""

    lookup: Callable[[int], Any]
    _readers: dict[int, Callable[[io.BytesIO], Any]] = field(default_factory=dict)

    def decode(self, raw: bytes) -> Any:
        """Return the record; of a schema that is no record's, the value.

        Raises StackError("not-confluent-wire", "unknown-schema-id" or "undecodable"): a poison record.
        """
        if len(raw) <= _HEADER.size or raw[0] != _MAGIC:
            raise StackError(
                "not-confluent-wire",
                f"the value does not start with byte 0 and a schema id: {raw[:12]!r}",
                hint=_guess(raw),
            )
        schema_id = _HEADER.unpack_from(raw)[1]
        buffer = io.BytesIO(raw)
        buffer.seek(_HEADER.size)
        try:
            record = self._reader(schema_id)(buffer)
        except (EOFError, LookupError, ValueError, ArithmeticError, RecursionError, SchemaParseException) as error:
            raise StackError(
                "undecodable",
                f"the value says it has schema {schema_id}, and does not follow it",
                context=f"{type(error).__name__}: {error}",
            ) from error
        if rest := len(raw) - buffer.tell():
            raise StackError("undecodable", f"{rest} bytes are left after a record of schema {schema_id}")
        return record

    def _reader(self, schema_id: int) -> Callable[[io.BytesIO], Any]:
        if schema_id not in self._readers:
            schema = self.lookup(schema_id)
            if schema is None:
                raise StackError(
                    "unknown-schema-id",
                    f"the registry knows no schema {schema_id}",
                    hint="was it written with another registry?\n./invoke contracts drift",
                )
            self._readers[schema_id] = _reader(schema)
        return self._readers[schema_id]


def _reader(schema: Any) -> Callable[[io.BytesIO], Any]:
    """Return what reads a value of a schema; ValueError if the schema is none that can be read here.

    A type that contains itself is read by fastavro's Python code: its compiled code has no limit for the depth, and a
    value of a few kilobytes ends the process (segmentation fault).
    """
    if is_json_schema(schema):
        return json.load
    parsed = fastavro.parse_schema(copy.deepcopy(schema))
    read = (
        _read_py.schemaless_reader if avrotypes.contains_itself(avrotypes.read(schema)) else fastavro.schemaless_reader
    )
    return lambda buffer: read(buffer, parsed, None)


def _guess(raw: bytes) -> str:
    """Say what wrote it, from its first bytes."""
    if raw[:1] in (b"{", b"["):
        return "it looks like JSON text: the producer used no registry serializer"
    if raw[:1] == b"\x00":
        return "it is too short for a record"
    return "the producer used no registry serializer: see docs/send-an-event.md"
