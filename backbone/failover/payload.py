"""The value of a record: who wrote it, where, which one; its length and a checksum, so that damage is seen.

Layout, big endian: CRC-32 of all that follows (u32), total length (u32), run id (16 bytes), partition (u32), n (u64),
intended time (u64, ns), length of the writer's name (u16), the name in UTF-8, then filler up to the wanted size.
"""

from __future__ import annotations

import random
import struct
import zlib
from typing import NamedTuple

from backbone.failover.history import Record

_CRC = struct.Struct(">I")
_HEAD = struct.Struct(">I16sIQQH")
_FILLER = random.Random(0).randbytes(1 << 16)  # noqa: S311 - incompressible, not secret


class Payload(NamedTuple):
    """What a record carries. intended: ns of the monotonic clock."""

    run: bytes
    record: Record
    intended: int


def encode(payload: Payload, size: int) -> bytes:
    """Return the value of a record, at least `size` bytes long (never less than its own fields)."""
    name = payload.record.writer.encode()
    length = max(size, _CRC.size + _HEAD.size + len(name))
    head = _HEAD.pack(length, payload.run, payload.record.partition, payload.record.n, payload.intended, len(name))
    body = head + name
    filler = payload.record.n % (len(_FILLER) // 2)
    body += _FILLER[filler : filler + length - _CRC.size - len(body)]
    return _CRC.pack(zlib.crc32(body)) + body


def decode(value: bytes | None, run: bytes) -> Payload | None:
    """Return what a value carries; None when it is damaged, cut or of another run."""
    if value is None or len(value) < _CRC.size + _HEAD.size or _CRC.unpack_from(value)[0] != zlib.crc32(value[4:]):
        return None
    length, owner, partition, n, intended, named = _HEAD.unpack_from(value, _CRC.size)
    start = _CRC.size + _HEAD.size
    if length != len(value) or owner != run or start + named > length:
        return None
    return Payload(owner, Record(value[start : start + named].decode(errors="replace"), partition, n), intended)
