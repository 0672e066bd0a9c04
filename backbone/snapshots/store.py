"""The snapshots of a home: a folder each, complete or not there, and the same as one file to take elsewhere."""

from __future__ import annotations

import io
import os
import re
import shutil
import stat
import struct
import tarfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Self

import zstandard

from backbone import durable_file
from backbone.errors import ExitCode, StackError
from backbone.snapshots import manifest as manifests
from backbone.snapshots import sparse
from backbone.snapshots.manifest import Entry, Manifest
from backbone.source import reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from backbone.stack.engine.base import Progress

_MANIFEST = "manifest.json"
_DATA = "data"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_PARTIAL = ".partial"
_SKIPPED = frozenset({".lock", "postmaster.pid", ".write-probe"})
"""What says that somebody runs on the data, or tries a folder; nobody does while it is copied."""

_LEVEL, _WINDOW = 6, 25  # PostgreSQL's three databases are nearly the same: a window of 32 MiB finds the likeness
_TRAILER, _SKIPPABLE = struct.Struct("<IIQ"), (0x184D2A50, 8)
"""A skippable frame of zstd (RFC 8878, 3.1.2) with eight bytes: readers of zstd pass over it."""
_MANIFEST_LIMIT = 64 << 20  # bytes: some 350,000 files; nobody else's file makes us hold more than that
_HEADER_LIMIT = 1 << 20  # bytes, as above: a long name of a member
_PROGRESS_BYTES = 256 << 20
_SECRET_MODE, _MODE = 0o600, 0o644


@dataclass(frozen=True, slots=True)
class Store:
    """A folder of snapshots. What is begun there and not finished has a name with a dot first."""

    folder: Path

    def names(self) -> list[str]:
        """Return the names of the snapshots, the oldest first."""
        found = [each for each in self.folder.glob(f"*/{_MANIFEST}") if _NAME.fullmatch(each.parent.name)]
        return [each.parent.name for each in sorted(found, key=lambda each: (each.stat().st_mtime_ns, each))]

    def load(self, name: str) -> Manifest:
        """Return a snapshot's manifest; StackError("no-such-snapshot"), "snapshot-damaged" or "snapshot-newer"."""
        self.demand(name)
        try:
            text = reading.read_bytes(self._place(name) / _MANIFEST, _MANIFEST_LIMIT)
        except StackError as error:
            raise manifests.damaged(name, f"its manifest cannot be read: {error.context}") from error
        return replace(manifests.load(text, name), name=name)  # its folder may have been renamed

    def demand(self, name: str) -> None:
        """Raise StackError("no-such-snapshot") if nothing has that name; damaged or not is not looked at."""
        if not os.path.lexists(self._place(name)):
            raise StackError(
                "no-such-snapshot",
                f"there is no snapshot {name}",
                context="snapshots: " + (", ".join(self.names()) or "none"),
                hint="./invoke snapshot list",
                exit_code=ExitCode.USAGE,
            )

    def demand_new(self, name: str) -> None:
        """Raise StackError("snapshot-name") for a name that is none, "snapshot-exists" for one that is taken."""
        if os.path.lexists(self._place(name)):
            raise StackError(
                "snapshot-exists",
                f"there is already a snapshot {name}",
                hint=f"./invoke snapshot remove {name}",
                exit_code=ExitCode.USAGE,
            )

    @contextmanager
    def new(self, name: str) -> Iterator[Path]:
        """Give an empty folder that becomes the snapshot when the block ends well; an earlier task's rest goes."""
        self.demand_new(name)
        self.sweep()
        partial = self.folder / f".{name}{_PARTIAL}"
        partial.mkdir(parents=True, mode=0o700)
        try:
            yield partial
        except BaseException:
            _remove(partial)
            raise
        partial.rename(self.folder / name)

    def rests(self) -> list[Path]:
        """Return what is there of snapshots that are being written, or whose task was killed."""
        return list(self.folder.glob(f".*{_PARTIAL}"))

    def sweep(self) -> None:
        """Remove the rests of tasks that were killed; for somebody who holds the lock, so that no task writes one."""
        for rest in self.rests():
            _remove(rest)

    def remove(self, name: str) -> None:
        """Remove a snapshot, whole or damaged; StackError("no-such-snapshot")."""
        self.demand(name)
        partial = self.folder / f".{name}{_PARTIAL}"
        self._place(name).rename(partial)
        _remove(partial)

    def put(self, manifest: Manifest, targets: Mapping[str, Path], progress: Progress) -> None:
        """Copy a snapshot's parts into empty folders; StackError("snapshot-damaged") if a file is another."""
        source = self._place(manifest.name) / _DATA
        done = _Told(manifest.size, f"copying {manifest.name}", progress)
        for entry in manifest.entries:
            part, _, rest = entry.path.partition("/")
            target = targets[part] / rest
            if not entry.sha256:
                target.mkdir(exist_ok=True)
                target.chmod(entry.mode | stat.S_IRWXU)
                continue
            found = sparse.copy(_kept(manifest, source, entry), target)
            if found != entry.sha256 or target.stat().st_size != entry.size:
                raise manifests.damaged(manifest.name, f"{entry.path} does not have the digest of the manifest")
            target.chmod(entry.mode)
            done(entry.size)

    def verify(self, manifest: Manifest) -> None:
        """Compare every file with its digest; StackError("snapshot-damaged")."""
        for entry in (each for each in manifest.entries if each.sha256):
            try:
                found = sparse.digest(_kept(manifest, self._place(manifest.name) / _DATA, entry))
            except OSError as error:
                raise manifests.damaged(manifest.name, f"{entry.path}: {error.strerror}") from error
            if found != entry.sha256:
                raise manifests.damaged(manifest.name, f"{entry.path} does not have the digest of the manifest")

    def export(self, name: str, file: Path, progress: Progress) -> Manifest:
        """Write a snapshot as one file (a tar archive, zstd): whole, or not there.

        Raises StackError("snapshot-damaged") for one that is not as it was saved, "no-snapshot-file" for a place where
        no file can be.
        """
        found = self.load(name)
        if not file.name or (os.path.lexists(file) and not file.is_file()):
            raise _no_file(file, "written", "it is no name for a file, or something else has it")
        self.verify(found)
        source = self._place(name) / _DATA
        partial = file.with_name(f".{file.name}{_PARTIAL}")
        done = _Told(found.size, f"writing {file.name}", progress)
        options = zstandard.ZstdCompressionParameters.from_level(
            _LEVEL, window_log=_WINDOW, enable_ldm=True, write_checksum=True
        )
        try:
            partial.unlink(missing_ok=True)  # of a task that was killed, perhaps with another mode
            descriptor = os.open(
                partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _SECRET_MODE if found.secrets else _MODE
            )
            with os.fdopen(descriptor, "wb") as raw:
                compressor = zstandard.ZstdCompressor(compression_params=options)
                with compressor.stream_writer(raw) as out, tarfile.open(fileobj=out, mode="w|") as tar:
                    text = found.dump()
                    tar.addfile(_member(_MANIFEST, len(text)), io.BytesIO(text))
                    for entry in (each for each in found.entries if each.sha256):
                        with (source / entry.path).open("rb") as content:
                            tar.addfile(_member(f"{_DATA}/{entry.path}", entry.size), content)
                        done(entry.size)
            with partial.open("ab") as raw:
                raw.write(_TRAILER.pack(*_SKIPPABLE, raw.tell()))
            partial.replace(file)
        except OSError as error:
            raise _no_file(file, "written", error.strerror or str(error)) from error
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
        return found

    def bring(self, file: Path, progress: Progress, name: str = "") -> Manifest:
        """Take a snapshot from a file, under its own name or another, once every byte of it is what was written.

        Raises StackError("snapshot-exists") if another has that name, "snapshot-damaged", "snapshot-newer",
        "no-snapshot-file" if it cannot be read, "snapshot-copy" if the disk does not take it.
        """
        with _opened(file) as tar:
            found = _first(tar, file)
            named = replace(found, name=name or found.name)
            if named.name in self.names() and self.load(named.name) == named:
                return named  # the very same is here
            with disk(), self.new(named.name) as folder:
                _unpack(tar, found, folder / _DATA, file.name, progress)
                seal(named, folder)
        return named

    def _place(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise StackError(
                "snapshot-name",
                f"{name[:60]!r} cannot name a snapshot",
                hint="a to z, A to Z, digits, dots, dashes and underscores, at most 100, the first a letter or digit",
                exit_code=ExitCode.USAGE,
            )
        return self.folder / name


@contextmanager
def disk() -> Iterator[None]:
    """Tell what the disk refuses (full, read-only, another user's) as StackError("snapshot-copy")."""
    try:
        yield
    except OSError as error:
        raise StackError(
            "snapshot-copy",
            f"the data cannot be copied: {error.strerror or error}",
            context=str(error.filename or ""),
            hint="./invoke doctor",
            exit_code=ExitCode.ENVIRONMENT,
        ) from error


def take(parts: Mapping[str, Path], folder: Path, progress: Progress) -> tuple[Entry, ...]:
    """Copy the folders of a stopped stack below a snapshot's, and return what is there; a missing folder is empty.

    Raises StackError("snapshot-file") for what is neither file nor folder.
    """
    sizes = sum(each.stat().st_size for part in parts.values() for each in part.rglob("*") if each.is_file())
    done = _Told(sizes, "copying", progress)
    return tuple(entry for part, live in parts.items() for entry in _copied(live, folder / _DATA, part, done))


def seal(manifest: Manifest, folder: Path) -> None:
    """Write the manifest of a snapshot whose data is there: from now on it is one.

    Raises StackError("snapshot-files") for more files than a manifest may name.
    """
    text = manifest.dump()
    if len(text) > _MANIFEST_LIMIT:
        raise StackError(
            "snapshot-files",
            f"there are {len(manifest.entries):,} files and folders, more than a snapshot can have",
            context=f"its manifest would have {len(text) >> 20} MiB, and the most is {_MANIFEST_LIMIT >> 20}",
            hint="delete topics that nobody needs, wait a minute, and try again\n./invoke topics list",
            exit_code=ExitCode.USAGE,
        )
    durable_file.replace(folder / _MANIFEST, text)


def _kept(manifest: Manifest, data: Path, entry: Entry) -> Path:
    """Return where a file of a snapshot is; StackError("snapshot-damaged") if something else, or nothing, is there."""
    if not (data / entry.path).is_file():
        raise manifests.damaged(manifest.name, f"{entry.path} is missing")
    return data / entry.path


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink()


def _copied(source: Path, base: Path, path: str, done: _Told) -> Iterator[Entry]:
    target = base / path
    mode = source.stat().st_mode & 0o777 if source.exists() else 0o755
    target.mkdir(parents=True)
    target.chmod(mode | stat.S_IRWXU)
    yield Entry(path, mode)
    for each in sorted(source.iterdir()) if source.exists() else ():
        if each.name in _SKIPPED:
            continue
        found = each.lstat()
        inside = f"{path}/{each.name}"
        if stat.S_ISDIR(found.st_mode):
            yield from _copied(each, base, inside, done)
        elif stat.S_ISREG(found.st_mode):
            digest = sparse.copy(each, base / inside)
            yield Entry(inside, found.st_mode & 0o777, found.st_size, digest)
            done(found.st_size)
        else:
            raise StackError(
                "snapshot-file",
                f"{each} is neither a file nor a folder: it cannot be taken along",
                hint="a tablespace of PostgreSQL outside of its folder, for one",
                exit_code=ExitCode.USAGE,
            )


class _Told:
    """Says how far a copy is, once in a while: a small one says nothing."""

    def __init__(self, total: int, what: str, progress: Progress) -> None:
        self._total, self._what, self._progress = total, what, progress
        self._done = self._said = 0

    def __call__(self, size: int) -> None:
        self._done += size
        if self._done - self._said >= _PROGRESS_BYTES:
            self._said = self._done
            self._progress(f"{self._what}: {self._done >> 20} of {self._total >> 20} MiB")


class _Member(tarfile.TarInfo):
    """A member of an archive that somebody else may have made: what describes a file is small."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        found = super().frombuf(buf, encoding, errors)
        if not found.isreg() and found.size > _HEADER_LIMIT:
            raise tarfile.ReadError(f"a header of {found.size} bytes")
        return found


def _member(name: str, size: int) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.size = size
    return found


@contextmanager
def _opened(file: Path) -> Iterator[tarfile.TarFile]:
    """Open an exported snapshot; whatever cannot be read of it is damage."""
    try:
        source = reading.stream(file)
    except StackError as error:
        raise _no_file(file, "read", error.context or error.message) from error
    try:
        with source as raw:
            _demand_whole(raw)
            reader = zstandard.ZstdDecompressor(max_window_size=1 << (_WINDOW + 1)).stream_reader(raw)
            with reader, tarfile.open(fileobj=reader, mode="r|", tarinfo=_Member) as tar:
                yield tar
    except (tarfile.TarError, zstandard.ZstdError, EOFError, ValueError) as error:
        raise manifests.damaged(file.name, str(error) or "it ends too early") from error
    except OSError as error:
        raise _no_file(file, "read", error.strerror or str(error)) from error


def _demand_whole(raw: IO[bytes]) -> None:
    """Look at the last bytes, which name the length of all before them; EOFError if that is another."""
    size = raw.seek(0, os.SEEK_END)
    raw.seek(max(0, size - _TRAILER.size))
    end = raw.read()
    if len(end) < _TRAILER.size or _TRAILER.unpack(end) != (*_SKIPPABLE, size - len(end)):
        raise EOFError("it is no exported snapshot, or not all of one: its length is not at its end")
    raw.seek(0)


def _first(tar: tarfile.TarFile, file: Path) -> Manifest:
    member = tar.next()
    content = tar.extractfile(member) if member and member.name == _MANIFEST and member.isfile() else None
    if member is None or content is None or member.size > _MANIFEST_LIMIT:
        raise manifests.damaged(file.name, "it does not begin with the manifest of a snapshot")
    return manifests.load(content.read(), file.name)


def _unpack(tar: tarfile.TarFile, manifest: Manifest, folder: Path, where: str, progress: Progress) -> None:
    """Write what the manifest names, in its order, and nothing else."""
    done = _Told(manifest.size, f"reading {where}", progress)
    folder.mkdir()
    for entry in manifest.entries:
        target = folder / entry.path
        if not entry.sha256:
            target.mkdir()
            continue
        member = tar.next()
        content = tar.extractfile(member) if member and member.isfile() else None
        if member is None or content is None or (member.name, member.size) != (f"{_DATA}/{entry.path}", entry.size):
            raise manifests.damaged(where, f"{entry.path} is missing")
        if sparse.write(content, entry.size, target) != entry.sha256:
            raise manifests.damaged(where, f"{entry.path} does not have the digest of the manifest")
        done(entry.size)
    if tar.next() is not None:
        raise manifests.damaged(where, "it holds more than its manifest names")


def _no_file(file: Path, verb: str, why: str) -> StackError:
    return StackError("no-snapshot-file", f"{file} cannot be {verb}", context=why, exit_code=ExitCode.ENVIRONMENT)
