"""What a benchmark record carries: enough to know it, to time it and to notice a single changed bit.

Layout, big-endian: magic u32, run u64, sequence u64, intended ns i64, actual ns i64, CRC-32 of all the rest
u32, then filler up to the size asked for.
"""

from __future__ import annotations

import random
import struct
import zlib
from dataclasses import dataclass

_HEAD = struct.Struct(">IQQqq")
_CRC = struct.Struct(">I")
_MAGIC = 0x42454E43
OVERHEAD = _HEAD.size + _CRC.size
"""The smallest record, in bytes."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """The identity and the times (ns, monotonic) of one record."""

    run: int
    sequence: int
    intended: int
    actual: int


class Encoder:
    """Makes the records of one run: `size` bytes each, with seeded filler that no codec can compress."""

    def __init__(self, run: int, size: int, seed: int) -> None:
        if size < OVERHEAD:
            raise ValueError(f"a record of {size} bytes cannot hold its {OVERHEAD} byte header")
        self._run = run
        self.filler = random.Random(seed).randbytes(size - OVERHEAD)  # noqa: S311 - filler, no secret
        self._filler_crc = zlib.crc32(self.filler)

    def __call__(self, sequence: int, intended: int, actual: int) -> bytes:
        """Return the record; times in ns."""
        head = _HEAD.pack(_MAGIC, self._run, sequence, intended, actual)
        return head + _CRC.pack(zlib.crc32(head, self._filler_crc)) + self.filler


def decode(record: bytes) -> Stamp | None:
    """Return the stamp of a record, None if it is none of ours or was damaged."""
    if len(record) < OVERHEAD:
        return None
    head, filler = record[: _HEAD.size], record[OVERHEAD:]
    magic, run, sequence, intended, actual = _HEAD.unpack(head)
    (expected,) = _CRC.unpack_from(record, _HEAD.size)
    if magic != _MAGIC or zlib.crc32(head, zlib.crc32(filler)) != expected:
        return None
    return Stamp(run, sequence, intended, actual)
