"""Whether files of the user's cache still are what they were: by size and times, by sha256 once those have changed.

What runs is looked at before every start, and hashing it all takes a second. The change time (ctime) is the kernel's
own: nobody sets it back. This finds damage; whoever may write to the cache could write the seals as well.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from backbone import durable_file
from backbone.errors import ExitCode, StackError
from backbone.file_lock import shared_with_helpers
from backbone.source import reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_CHUNK = 1 << 20


@dataclass
class Seals:
    """The digests of files below a folder, by name, each with what `stat` said when it was taken; kept in a file."""

    file: Path
    folder: Path
    known: dict[str, tuple[list[int], str]] = field(default_factory=dict)
    changed: bool = False

    @classmethod
    def read(cls, file: Path, folder: Path) -> Seals:
        """Return the seals in a file; none where it is missing or says nothing of the kind."""
        try:
            raw = json.loads(reading.read_text(file))
            known = {str(name): (list(map(int, stamp)), str(digest)) for name, (stamp, digest) in raw.items()}
        except (StackError, ValueError, TypeError, AttributeError, OverflowError, RecursionError):
            known = {}
        return cls(file, folder, known)

    def digest(self, name: str) -> str | None:
        """Return the sha256 of a file (of a link: where it leads), None if there is none."""
        path = self.folder / name
        try:
            found = path.lstat()
            stamp = [found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns]
            if name in self.known and self.known[name][0] == stamp:
                return self.known[name][1]
            digest = sha256(path) if stat.S_ISREG(found.st_mode) else f"-> {path.readlink()}"
        except OSError:
            return None
        self.known[name] = (stamp, digest)
        self.changed = True
        return digest

    def save(self) -> None:
        """Keep what was found out, if anything was. Two tasks at once: what one of them leaves out is hashed again."""
        if self.changed:
            durable_file.replace(self.file, json.dumps(self.known))
            self.changed = False


def sha256(path: Path) -> str:
    """Return the hexadecimal sha256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def sealed(folder: Path, make: Callable[[Path], None]) -> Path:
    """Return a folder with what `make` puts there, made by whoever comes first: complete and as it was, or made again.

    One that has lost, gained or altered a file is replaced. Raises StackError("cache-not-writable").
    """
    if found := _checked(folder):
        with suppress(OSError):
            found.save()  # it was copied or touched, and is the same
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with shared_with_helpers(_beside(folder, "lock")):
            if not intact(folder):
                _make(folder, make)
    except OSError as error:
        raise StackError(
            "cache-not-writable",
            f"cannot write to {folder.parent}",
            context=str(error),
            hint=f"df -h {shlex.quote(str(folder.parent))}\nls -ld {shlex.quote(str(folder.parent))}",
            exit_code=ExitCode.ENVIRONMENT,
        ) from error
    return folder


def _make(folder: Path, make: Callable[[Path], None]) -> None:
    partial, old = _beside(folder, "partial"), _beside(folder, "old")
    for rest in (partial, old):
        shutil.rmtree(rest, ignore_errors=True)
    make(partial)
    seals = Seals(_beside(folder, "seal"), partial)
    for name in _files(partial):
        _flush(partial / name)
        seals.digest(name)
    if folder.is_dir() and not folder.is_symlink():
        folder.rename(old)  # what still runs of it keeps what it has opened
    else:
        folder.unlink(missing_ok=True)
    partial.rename(folder)
    durable_file.flush_folder(folder.parent)
    seals.save()
    shutil.rmtree(old, ignore_errors=True)


def intact(folder: Path) -> bool:
    """Tell whether a folder that was sealed has all its files, and no others, as they were."""
    return _checked(folder) is not None


def _checked(folder: Path) -> Seals | None:
    seals = Seals.read(_beside(folder, "seal"), folder)
    wanted = {name: digest for name, (_, digest) in seals.known.items()}
    if not wanted or {*_files(folder)} != wanted.keys():
        return None
    return seals if all(seals.digest(name) == digest for name, digest in wanted.items()) else None


def _beside(folder: Path, kind: str) -> Path:
    return folder.with_name(f"{folder.name}.{kind}")


def _files(folder: Path) -> Iterator[str]:
    """Yield the names of the files and links below a folder, from the folder."""
    for place, folders, names in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]  # noqa: PTH114, PTH118 - hundreds
        for name in (*names, *links):
            yield os.path.relpath(os.path.join(place, name), folder)  # noqa: PTH118 - at every start


def _flush(path: Path) -> None:
    if not path.is_symlink():
        with path.open("rb") as file:
            os.fsync(file.fileno())
