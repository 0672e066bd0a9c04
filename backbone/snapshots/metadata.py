"""The level of metadata.version in a Kafka node's data, read from the files of a node that does not run.

The metadata log (KRaft, KIP-595) holds it as a FeatureLevelRecord: a frame version, the number of the kind of record
(12), its version, then the feature's name and level (metadata/src/main/resources/common/metadata of Kafka's sources).
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

from backbone.errors import ExitCode, StackError
from backbone.source import reading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FEATURE_LEVEL = bytes((1, 12, 0))
_NAME = b"metadata.version"
_LOG = "__cluster_metadata-0"
_MOST = 1 << 30  # bytes: a segment of the metadata log is rolled at this size (metadata.log.segment.bytes)


def level(folder: Path) -> int | None:
    """Return the last level that a log directory's metadata sets, None if it sets none.

    Raises StackError("damaged-data") for what are no records; a batch that a crash cut short ends the log.
    """
    files = sorted(folder.glob(f"{_LOG}/*.checkpoint")) + sorted(folder.glob(f"{_LOG}/*.log"))
    found = None
    for file in [folder / "bootstrap.checkpoint", *files]:
        for value in _values(file):
            found = _level(value) or found
    return found


def _level(value: bytes) -> int | None:
    head = _FEATURE_LEVEL + bytes((len(_NAME) + 1,)) + _NAME
    return int.from_bytes(value[len(head) : len(head) + 2], "big") if value.startswith(head) else None


def _values(file: Path) -> Iterator[bytes]:
    from kafka.errors import KafkaError  # noqa: PLC0415 - slow, see backbone.clients
    from kafka.record import MemoryRecords  # noqa: PLC0415 - as above

    if not os.path.lexists(file):
        return
    try:
        records = MemoryRecords(reading.read_bytes(file, _MOST))
        while records.has_next():
            batch = records.next_batch()
            if not batch.is_control_batch:
                yield from (record.value for record in batch if record.value)
    except (StackError, KafkaError, struct.error, *reading.NONSENSE) as error:
        raise StackError(
            "damaged-data",
            f"{file} does not hold Kafka's metadata",
            context=getattr(error, "context", None) or f"{type(error).__name__}: {error}",
            hint="./invoke doctor",
            exit_code=ExitCode.ENVIRONMENT,
        ) from error
