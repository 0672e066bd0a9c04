"""Reading files that somebody else may have made: only regular ones, only so much of them, and never waiting.

A FIFO, a device or a socket in the place of a configuration file would block its reader, or feed it for ever. A check
before the file is opened could be out of date by then, so what counts is what was opened.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from typing import TYPE_CHECKING, BinaryIO

from backbone.errors import ExitCode, StackError

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 8 * 1024 * 1024

NONSENSE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""What code raises that takes the content of a file for what it should be, and meets something else."""

# Neither flag exists on Windows, which has no FIFO that a path could lead to.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOCTTY", 0)
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_REASONS = {
    errno.ENOENT: "there is no such file",
    errno.ENOTDIR: "there is no such file",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ELOOP: "its symbolic links lead in a circle",
    errno.ENXIO: "it is a socket or a device, not a file",
    errno.ENAMETOOLONG: "its name is too long",
    errno.EAGAIN: "reading it would wait",
}


def read_bytes(path: Path, limit: int = MAX_BYTES) -> bytes:
    """Return a regular file's content.

    Raises StackError("unreadable-file", exit code USAGE), its context the reason: no file, no regular one, or larger
    than `limit` bytes.
    """
    descriptor = _open(path, limit)
    try:
        # A file may grow, and the kernel's own files say that they are empty.
        parts, left = [], limit + 1
        while left > 0 and (part := os.read(descriptor, min(left, 1 << 20))):
            parts.append(part)
            left -= len(part)
    except OSError as error:
        raise _unreadable(path, _reason(error)) from error
    finally:
        os.close(descriptor)
    if left <= 0:
        raise _unreadable(path, _too_large(limit))
    return b"".join(parts)


def stream(path: Path) -> BinaryIO:
    """Open a regular file of any size, to be read from its beginning; StackError("unreadable-file") as `read_bytes`."""
    return os.fdopen(_open(path, sys.maxsize), "rb")


def read_text(path: Path, limit: int = MAX_BYTES) -> str:
    """Return a regular file's text.

    Raises StackError("unreadable-file") as `read_bytes` does, and for what is no UTF-8.
    """
    raw = read_bytes(path, limit)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _unreadable(path, f"byte 0x{raw[error.start]:02x} at offset {error.start} is not UTF-8") from error


def peek(path: Path, limit: int = MAX_BYTES) -> str:
    """Return the text of a file that is only looked into: "" where `read_bytes` refuses, other bytes replaced."""
    try:
        return read_bytes(path, limit).decode("utf-8", errors="replace")
    except StackError:
        return ""


def why_unreadable(path: Path, limit: int = MAX_BYTES) -> str:
    """Return why `read_bytes` would refuse a file, "" if it would not; the content is not looked at."""
    try:
        os.close(_open(path, limit))
    except StackError as error:
        return error.context or ""
    return ""


def _open(path: Path, limit: int) -> int:
    """Return the descriptor of a regular file."""
    try:
        descriptor = os.open(path, _FLAGS)
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL byte
        raise _unreadable(path, _reason(error)) from error
    found = os.fstat(descriptor)
    kind = next((words for is_kind, words in _KINDS if is_kind(found.st_mode)), "")
    if kind or found.st_size > limit:
        os.close(descriptor)
        raise _unreadable(path, f"it is {kind}, not a file" if kind else _too_large(limit))
    return descriptor


def _too_large(limit: int) -> str:
    return f"the file is larger than {limit // 1024**2} MiB"


def _reason(error: OSError | ValueError) -> str:
    if not isinstance(error, OSError):
        return "that is no file name"
    return _REASONS.get(error.errno or 0) or error.strerror or type(error).__name__


def _unreadable(path: Path, reason: str) -> StackError:
    return StackError("unreadable-file", f"cannot read {path}", context=reason, exit_code=ExitCode.USAGE)
