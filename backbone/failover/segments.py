"""Kafka's log files, read and cut at batch boundaries: what a replica is left with when its disk lost unsynced data.

A record batch (format v2) begins with its base offset (i64) and its length after these twelve bytes (i32).
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HEADER = struct.Struct(">qi")
CLEAN_SHUTDOWN = ".kafka_cleanshutdown"
"""The file in a data folder by which a broker knows that it was stopped properly."""


def batches(segment: Path) -> Iterator[tuple[int, int]]:
    """Yield (base offset, position in bytes) of each whole batch of a segment file."""
    size, position = segment.stat().st_size, 0
    with segment.open("rb") as file:
        while position + _HEADER.size <= size:
            file.seek(position)
            offset, length = _HEADER.unpack(file.read(_HEADER.size))
            if length <= 0 or position + _HEADER.size + length > size:
                return
            yield offset, position
            position += _HEADER.size + length


def cut_tail(data: Path, topic: str, count: int) -> dict[str, int]:
    """Cut the last `count` batches from the active segment of every partition of a topic on a stopped broker.

    Returns partition folder → bytes removed. The clean-shutdown marker goes too: a broker that lost data did not
    stop properly, and will check its logs.
    """
    removed = {}
    for folder in sorted(data.glob(f"{topic}-[0-9]*")):
        segment = max(folder.glob("*.log"), default=None)
        starts = [position for _, position in batches(segment)] if segment else []
        if segment and starts:
            keep = starts[-min(count, len(starts))]
            removed[folder.name] = segment.stat().st_size - keep
            os.truncate(segment, keep)
    (data / CLEAN_SHUTDOWN).unlink(missing_ok=True)
    return removed


def cut_from(data: Path, topic: str, partition: int, offset: int) -> int:
    """Cut a partition's active segment where the batch at `offset` begins; return the bytes removed (0: none)."""
    segment = max((data / f"{topic}-{partition}").glob("*.log"))
    starts = [(base, position) for base, position in batches(segment)]
    inside = [position for base, position in starts if base >= offset]
    (data / CLEAN_SHUTDOWN).unlink(missing_ok=True)
    if not inside:
        return 0
    size = segment.stat().st_size
    os.truncate(segment, inside[0])
    return size - inside[0]
