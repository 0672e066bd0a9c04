"""Files with holes: copied without filling them, and hashed so that holes and written zeros are the same.

Kafka sets the size of an open index to 10 MB and writes a few bytes of it; a plain copy of an idle cluster would be
hundreds of times its content. The digest of a file is SHA-256 over its size and over (offset, bytes) of each block of
16 KiB that is not all zeros: equal for equal content, whatever the file system allocated.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
from typing import IO, TYPE_CHECKING

from backbone.stack.engine.embedded.preflight import MIN_FREE_DISK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_BLOCK = 16 << 10
_ZEROS = bytes(_BLOCK)
_ROOM_EACH = (64 << 20) // _BLOCK  # blocks from one look at the free space to the next
_FICLONE = 0x40049409  # ioctl_ficlone(2)


def copy(source: Path, target: Path) -> str:
    """Copy a file, sharing its blocks where the file system can (reflink), and return its digest."""
    with source.open("rb") as reader, target.open("xb") as writer:
        return _take(_data(reader.fileno()), None if _cloned(reader, writer) else writer, _size(reader))


def digest(file: Path) -> str:
    """Return the digest of a file."""
    with file.open("rb") as reader:
        return _take(_data(reader.fileno()), None, _size(reader))


def write(stream: IO[bytes], size: int, target: Path) -> str:
    """Write a file of so many bytes from a stream, with holes for zeros, and return its digest.

    Raises EOFError if the stream ends before.
    """
    with target.open("xb") as writer:
        return _take(_read(stream, size), writer, size)


def _take(blocks: Iterable[tuple[int, bytes]], writer: IO[bytes] | None, size: int) -> str:
    found = hashlib.sha256(size.to_bytes(8, "big"))
    for number, (offset, block) in enumerate(blocks):
        if writer and number % _ROOM_EACH == 0:
            _demand_room(writer)
        if block == _ZEROS[: len(block)]:
            continue
        found.update(offset.to_bytes(8, "big"))
        found.update(block)
        if writer:
            writer.seek(offset)
            writer.write(block)
    if writer:
        writer.truncate(size)
    return found.hexdigest()


def _size(file: IO[bytes]) -> int:
    return os.fstat(file.fileno()).st_size


def _data(descriptor: int) -> Iterator[tuple[int, bytes]]:
    """Yield the blocks of an open file that the file system holds, each at a multiple of its length."""
    offset = 0
    while True:
        try:
            offset = os.lseek(descriptor, offset, os.SEEK_DATA) // _BLOCK * _BLOCK
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole from here on
                return
            raise
        block = os.pread(descriptor, _BLOCK, offset)
        if not block:
            return
        yield offset, block
        offset += _BLOCK


def _read(stream: IO[bytes], size: int) -> Iterator[tuple[int, bytes]]:
    for offset in range(0, size, _BLOCK):
        wanted = min(_BLOCK, size - offset)
        block = stream.read(wanted)
        if len(block) < wanted:
            raise EOFError
        yield offset, block


def _demand_room(writer: IO[bytes]) -> None:
    """Raise OSError(ENOSPC) while the brokers still have what they need: they run beside most copies."""
    found = os.fstatvfs(writer.fileno())
    if found.f_bavail * found.f_frsize < MIN_FREE_DISK:
        raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)} ({MIN_FREE_DISK >> 20} MiB are left to the brokers)")


def _cloned(reader: IO[bytes], writer: IO[bytes]) -> bool:
    """Tell whether the file system could let both files share their blocks (Btrfs, XFS, …)."""
    try:
        fcntl.ioctl(writer.fileno(), _FICLONE, reader.fileno())
    except OSError:
        return False
    return True


def allocated(file: Path) -> int:
    """Return the bytes that a file takes on its disk, without its holes; 0 for what is gone or no file."""
    try:
        found = file.lstat()
    except OSError:
        return 0
    return found.st_blocks * 512 if stat.S_ISREG(found.st_mode) else 0
