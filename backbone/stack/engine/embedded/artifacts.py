"""Jars from Maven coordinates: locked with sha256, downloaded once into the user's cache, checked at every start.

The lock (infra/artifacts.lock.json) names coordinates only; where they come from is the business of jgo, the
Maven client. jgo does not enforce checksums, so nothing is used here before its sha256 was compared.
"""

from __future__ import annotations

import json
import shlex
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Protocol

from filelock import FileLock

from backbone.errors import ExitCode, StackError
from backbone.source import reading
from backbone.stack.engine.embedded import seals
from backbone.stack.engine.embedded.seals import sha256

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_PARALLEL_DOWNLOADS = 8
_ARCHIVE_COLONS = 4  # GROUP:NAME:VERSION:PACKAGING:CLASSIFIER, a distribution that brings what it needs


@dataclass(frozen=True, slots=True)
class Artifact:
    """One file of a Maven repository: GROUP:NAME:PACKAGING[:CLASSIFIER]:VERSION, its sha256 and size in bytes."""

    coordinate: str
    sha256: str
    size: int

    @property
    def library(self) -> str:
        """GROUP:NAME, whatever the version."""
        return ":".join(self.coordinate.split(":")[:2])

    @property
    def path(self) -> PurePosixPath:
        """The file's place in a Maven repository layout."""
        group, name, packaging, *classifier, version = self.coordinate.split(":")
        suffix = f"-{classifier[0]}" if classifier else ""
        return PurePosixPath(*group.split("."), name, version, f"{name}-{version}{suffix}.{packaging}")


@dataclass(frozen=True, slots=True)
class Lock:
    """What was resolved once, by set: the roots asked for and every file they need, in classpath order."""

    roots: Mapping[str, tuple[str, ...]]
    sets: Mapping[str, tuple[Artifact, ...]]

    def __getitem__(self, name: str) -> tuple[Artifact, ...]:
        """Return the artifacts of a set. Raises StackError("not-locked") for one that is not there."""
        if name not in self.sets:
            kind = name.partition("@")[0]
            raise StackError(
                "not-locked",
                f"{name} is not in the artifact lock",
                context="there are " + ", ".join(sorted(each for each in self.sets if each.partition("@")[0] == kind)),
                hint="set KAFKA_VERSION in .env to one of them" if "@" in name else "./invoke artifacts list",
                exit_code=ExitCode.USAGE,
            )
        return self.sets[name]


class Download(Protocol):
    """Shows a download: called with the bytes that just came."""

    def __call__(self, count: int) -> None:
        """Add some bytes."""


class Downloads(Protocol):
    """Opens the display of a download of so many files and bytes."""

    def __call__(self, files: int, total: int) -> Any:
        """Return a context manager that yields a Download."""


def read_lock(path: Path) -> Lock:
    """Return the lock; StackError("artifact-lock") if it cannot be read."""
    try:
        raw = json.loads(reading.read_text(path))
        files = {coordinate: Artifact(coordinate, **fields) for coordinate, fields in raw["files"].items()}
        return Lock(
            roots={name: tuple(body["roots"]) for name, body in raw["sets"].items()},
            sets={name: tuple(files[item] for item in body["files"]) for name, body in raw["sets"].items()},
        )
    except (StackError, *reading.NONSENSE) as error:
        raise StackError(
            "artifact-lock",
            f"cannot read the artifact lock {path}",
            context=error.context if isinstance(error, StackError) else f"{type(error).__name__}: {error}",
            hint=f"git checkout -- {shlex.quote(str(path))}",
            exit_code=ExitCode.USAGE,
        ) from error


def write_lock(path: Path, lock: Lock) -> None:
    """Write a lock in a stable order."""
    files = {item.coordinate: item for items in lock.sets.values() for item in items}
    raw = {
        "sets": {
            name: {"roots": list(lock.roots[name]), "files": [item.coordinate for item in items]}
            for name, items in sorted(lock.sets.items())
        },
        "files": {key: {"sha256": item.sha256, "size": item.size} for key, item in sorted(files.items())},
    }
    path.write_text(json.dumps(raw, indent=1) + "\n", encoding="utf-8")


def resolve(roots: Mapping[str, Sequence[str]], repository: Path) -> Lock:
    """Ask Maven what the roots of each set need now, download it and return the lock. Needs the network."""
    sets = {name: tuple(_resolve_set(items, repository)) for name, items in roots.items()}
    return Lock(
        roots={name: tuple(items) for name, items in roots.items()},
        sets={name: _without_provided(name, sets) for name in sets},
    )


def _without_provided(name: str, sets: Mapping[str, Sequence[Artifact]]) -> tuple[Artifact, ...]:
    """Leave out of a plugin's set (`connect-avro`) the libraries that its host (`connect`) brings."""
    host, dash, _ = name.partition("-")
    provided = {item.library for item in sets.get(host, ())} if dash else set()
    return tuple(item for item in sets[name] if item.library not in provided)


class Client(Protocol):
    """Fetches files of a Maven repository, from several threads at once."""

    def fetch(self, item: Artifact) -> None:
        """Put the file at its place below the local repository; RuntimeError or OSError if it is not available."""


class Connect(Protocol):
    """Makes a client that fills a local repository and tells of the bytes that come."""

    def __call__(self, repository: Path, advance: Download) -> Client:
        """Return the client."""


class MavenClient:
    """The Maven client, bound to one repository folder."""

    def __init__(self, repository: Path, advance: Download) -> None:
        # Imported here: most starts download nothing, and this import costs as much as the rest together.
        from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415

        @contextmanager
        def show(_name: str, _size: int) -> Iterator[Download]:
            yield advance

        self._context = MavenContext(resolver=PythonResolver(progress_callback=show), repo_cache=repository, timeout=60)

    def fetch(self, item: Artifact) -> None:
        """Download one file (see Client)."""
        group, name, packaging, *classifier, version = item.coordinate.split(":")
        component = self._context.project(group, name).at_version(version)
        component.artifact("".join(classifier), packaging).resolve()


def ensure(
    artifacts: Iterable[Artifact], cache: Path, downloads: Downloads, connect: Connect = MavenClient
) -> tuple[Path, ...]:
    """Return the verified files of some artifacts, fetching what is missing, cut short or altered.

    Two checkouts share the cache, so one fetches at a time. Raises StackError("download-failed") or
    "checksum-mismatch"; a file that does not match is removed.
    """
    wanted = tuple(artifacts)
    repository = cache / "repository"
    try:
        if _lacking(wanted, repository):
            repository.mkdir(parents=True, exist_ok=True)
            with FileLock(cache / "download.lock"):
                if missing := _lacking(wanted, repository):  # another process may have been quicker
                    _fetch(missing, repository, downloads, connect)
    except OSError as error:
        raise StackError(
            "cache-not-writable",
            f"cannot write to {cache}",
            context=str(error),
            hint=f"ls -ld {shlex.quote(str(cache))}\nor set XDG_CACHE_HOME to another folder",
            exit_code=ExitCode.ENVIRONMENT,
        ) from error
    return tuple(repository / item.path for item in wanted)


def _lacking(wanted: Iterable[Artifact], repository: Path) -> list[Artifact]:
    """Return what is missing or no longer what it was; files that have not changed are not hashed again."""
    known = seals.Seals.read(repository.with_suffix(".seal"), repository)
    missing = [item for item in wanted if known.digest(str(item.path)) != item.sha256]
    if repository.is_dir():
        with suppress(OSError):  # a cache that nobody may write to is hashed each time
            known.save()
    return missing


def _fetch(missing: Sequence[Artifact], repository: Path, downloads: Downloads, connect: Connect) -> None:
    for item in missing:
        (repository / item.path).unlink(missing_ok=True)
    with downloads(len(missing), sum(item.size for item in missing)) as advance:
        client = connect(repository, advance)
        with ThreadPoolExecutor(_PARALLEL_DOWNLOADS) as pool:
            running = [pool.submit(_fetch_one, client, item, repository) for item in missing]
            try:
                for done in as_completed(running):
                    done.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise


def _fetch_one(client: Client, item: Artifact, repository: Path) -> None:
    target = repository / item.path
    try:
        client.fetch(item)
        found = f"{sha256(target)}, {target.stat().st_size} bytes"
    except (RuntimeError, OSError) as error:  # requests' errors are OSErrors
        target.unlink(missing_ok=True)
        raise StackError(
            "download-failed",
            f"cannot download {item.coordinate}",
            context=str(error)[:300],
            hint="check the network (HTTPS_PROXY, REQUESTS_CA_BUNDLE), then run the same command again:\n"
            "what has arrived is kept",
            exit_code=ExitCode.ENVIRONMENT,
        ) from error
    if not _matches(item, target):
        target.unlink(missing_ok=True)
        raise StackError(
            "checksum-mismatch",
            f"{item.coordinate} is not the file that was locked; it was removed",
            context=f"locked {item.sha256}, {item.size} bytes\nfound  {found}",
            hint="run the same command again; if it happens twice, something between here and the repository "
            "alters files",
            exit_code=ExitCode.ENVIRONMENT,
        )


def _resolve_set(roots: Sequence[str], repository: Path) -> Iterator[Artifact]:
    from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415
    from jgo.parse import Coordinate  # noqa: PLC0415

    context = MavenContext(resolver=PythonResolver(), repo_cache=repository, timeout=60)
    if archives := [root for root in roots if root.count(":") == _ARCHIVE_COLONS]:
        for coordinate in archives:
            group, name, version, packaging, classifier = coordinate.split(":")
            path = Path(context.project(group, name).at_version(version).artifact(classifier, packaging).resolve())
            place = f"{group}:{name}:{packaging}:{classifier}:{version}"
            yield Artifact(place, sha256(path), path.stat().st_size)
        return
    # "!" (raw): without it jgo takes each coordinate for a BOM and lets the one bend the versions of the others.
    wanted = [context.create_dependency(Coordinate.parse(root + "!")) for root in roots]
    inputs, transitive = context.resolver.resolve(wanted)
    for dependency in (*inputs, *transitive):
        artifact = dependency.artifact
        path = Path(artifact.resolve())
        parts = (
            artifact.groupId,
            artifact.artifactId,
            artifact.packaging,
            artifact.classifier,
            artifact.version,
        )
        yield Artifact(":".join(filter(None, parts)), sha256(path), path.stat().st_size)


def _matches(item: Artifact, path: Path) -> bool:
    return path.is_file() and path.stat().st_size == item.size and sha256(path) == item.sha256
