from __future__ import annotations

import hashlib
import json
import multiprocessing
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pytest

from backbone.errors import ExitCode, StackError
from backbone.stack.engine.embedded.artifacts import Artifact, Lock, ensure, read_lock, write_lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.synchronize import Barrier

    from backbone.stack.engine.embedded.artifacts import Client, Download

CONTENT = {f"org.demo:part-{number}:jar:1.0": b"part %d " % number * 1000 for number in range(12)}


def artifact(coordinate: str) -> Artifact:
    body = CONTENT[coordinate]
    return Artifact(coordinate, hashlib.sha256(body).hexdigest(), len(body))


ALL = tuple(map(artifact, CONTENT))
FIRST = ALL[0]


@dataclass
class Remote:
    """A Maven repository: serves bytes, and can be away, broken or hostile. `served` outlives each client."""

    content: dict[str, bytes] = field(default_factory=lambda: dict(CONTENT))
    breaks_at: dict[str, int] = field(default_factory=dict)
    away: Exception | None = None
    served: list[str] = field(default_factory=list)

    def connect(self, repository: Path, advance: Download) -> Client:
        return _RemoteClient(self, repository, advance)


@dataclass
class _RemoteClient:
    remote: Remote
    repository: Path
    advance: Download

    def fetch(self, item: Artifact) -> None:
        if self.remote.away:
            raise self.remote.away
        if item.coordinate not in self.remote.content:
            raise RuntimeError(f"404: {item.coordinate}")
        body = self.remote.content[item.coordinate]
        target = self.repository / item.path
        target.parent.mkdir(parents=True, exist_ok=True)
        arrives = body[: self.remote.breaks_at.get(item.coordinate, len(body))]
        target.write_bytes(arrives)
        self.advance(len(arrives))
        if len(arrives) < len(body):
            raise ConnectionError("connection reset by peer")
        self.remote.served.append(item.coordinate)


@dataclass
class Shown:
    """Keeps what a person would have seen of downloads: (files, total), and the bytes that came."""

    opened: list[tuple[int, int]] = field(default_factory=list)
    bytes: int = 0

    @contextmanager
    def __call__(self, files: int, total: int) -> Iterator[Download]:
        self.opened.append((files, total))
        yield self._advance

    def _advance(self, count: int) -> None:
        self.bytes += count


@pytest.fixture
def remote() -> Remote:
    return Remote()


@pytest.fixture
def shown() -> Shown:
    return Shown()


def test_fetches_everything_into_an_empty_cache(tmp_path: Path, remote: Remote, shown: Shown) -> None:
    paths = ensure(ALL, tmp_path, shown, remote.connect)
    assert [path.read_bytes() for path in paths] == list(CONTENT.values())
    total = sum(map(len, CONTENT.values()))
    assert (shown.opened, shown.bytes) == ([(12, total)], total)


def test_a_filled_cache_needs_no_network_and_says_nothing(tmp_path: Path, remote: Remote, shown: Shown) -> None:
    ensure(ALL, tmp_path, shown, remote.connect)
    remote.away = ConnectionError("no network")
    assert len(ensure(ALL, tmp_path, shown, remote.connect)) == 12
    assert len(shown.opened) == 1


@pytest.mark.parametrize("body", [None, b"", CONTENT[FIRST.coordinate][:100], CONTENT[FIRST.coordinate][::-1]])
def test_what_is_missing_cut_short_or_altered_is_fetched_again_alone(
    tmp_path: Path, remote: Remote, shown: Shown, body: bytes | None
) -> None:
    path, *_ = ensure(ALL, tmp_path, shown, remote.connect)
    remote.served.clear()
    path.unlink()
    if body is not None:
        path.write_bytes(body)
    ensure(ALL, tmp_path, shown, remote.connect)
    assert remote.served == [FIRST.coordinate]
    assert shown.opened[-1] == (1, FIRST.size)
    assert path.read_bytes() == CONTENT[FIRST.coordinate]


def test_no_network_and_an_empty_cache_is_told(tmp_path: Path, remote: Remote, shown: Shown) -> None:
    remote.away = ConnectionError("name resolution failed")
    with pytest.raises(StackError) as caught:
        ensure(ALL, tmp_path, shown, remote.connect)
    error = caught.value
    assert (error.reference, error.exit_code) == ("download-failed", ExitCode.ENVIRONMENT)
    assert "org.demo:part-" in error.message
    assert error.context == "name resolution failed"
    assert "HTTPS_PROXY" in str(error.hint)


def test_an_artifact_that_the_repository_does_not_have_is_named(tmp_path: Path, remote: Remote, shown: Shown) -> None:
    del remote.content[FIRST.coordinate]
    with pytest.raises(StackError, match="download-failed") as caught:
        ensure(ALL, tmp_path, shown, remote.connect)
    assert FIRST.coordinate in caught.value.message


def test_a_client_that_brings_nothing_is_told(tmp_path: Path, shown: Shown) -> None:
    class Idle:
        def __init__(self, repository: Path, advance: Download) -> None:
            pass

        def fetch(self, item: Artifact) -> None:
            pass

    with pytest.raises(StackError) as caught:
        ensure([FIRST], tmp_path, shown, Idle)
    assert caught.value.reference == "download-failed"


def test_a_broken_connection_leaves_no_half_file_and_the_next_run_completes(
    tmp_path: Path, remote: Remote, shown: Shown
) -> None:
    remote.breaks_at[FIRST.coordinate] = 100
    with pytest.raises(StackError, match="download-failed"):
        ensure(ALL, tmp_path, shown, remote.connect)
    assert not (tmp_path / "repository" / FIRST.path).exists()
    remote.breaks_at.clear()
    arrived = set(remote.served)
    remote.served.clear()
    paths = ensure(ALL, tmp_path, shown, remote.connect)
    assert all(path.exists() for path in paths)
    assert set(remote.served) == set(CONTENT) - arrived


def test_a_file_that_is_not_the_locked_one_is_refused_and_removed(tmp_path: Path, remote: Remote, shown: Shown) -> None:
    remote.content[FIRST.coordinate] = b"something else"
    with pytest.raises(StackError) as caught:
        ensure([FIRST], tmp_path, shown, remote.connect)
    error = caught.value
    assert (error.reference, error.exit_code) == ("checksum-mismatch", ExitCode.ENVIRONMENT)
    assert FIRST.sha256 in str(error.context)
    assert hashlib.sha256(b"something else").hexdigest() in str(error.context)
    assert error.hint
    assert not (tmp_path / "repository" / FIRST.path).exists()


def _in_a_process(
    cache: Path, start: Barrier, results: multiprocessing.Queue[tuple[int, list[tuple[int, int]]]]
) -> None:
    remote, shown = Remote(), Shown()
    start.wait(60)
    ensure(ALL, cache, shown, remote.connect)
    results.put((len(remote.served), shown.opened))


def test_two_processes_share_one_download(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    start = context.Barrier(2)
    both = [context.Process(target=_in_a_process, args=(tmp_path, start, results)) for _ in range(2)]
    for process in both:
        process.start()
    found = [results.get(timeout=60) for _ in both]
    for process in both:
        process.join(60)
    assert [process.exitcode for process in both] == [0, 0]
    assert sorted(served for served, _ in found) == [0, 12]
    assert sum(len(opened) for _, opened in found) == 1  # the other one says nothing of "0 files"


@pytest.mark.parametrize(
    ("coordinate", "path"),
    [
        ("org.apache.kafka:kafka_2.13:jar:4.3.1", "org/apache/kafka/kafka_2.13/4.3.1/kafka_2.13-4.3.1.jar"),
        ("io.demo:app:tar.gz:all:3.3", "io/demo/app/3.3/app-3.3-all.tar.gz"),
    ],
)
def test_a_coordinate_has_one_place(coordinate: str, path: str) -> None:
    assert Artifact(coordinate, "", 0).path == PurePosixPath(path)


def test_a_lock_is_read_as_it_was_written(tmp_path: Path) -> None:
    lock = Lock(roots={"a": ("org.demo:part-0:1.0",), "b": ("org.demo:part-1:1.0",)}, sets={"a": ALL[:3], "b": ALL[1:]})
    write_lock(tmp_path / "lock.json", lock)
    found = read_lock(tmp_path / "lock.json")
    assert found == lock
    assert found["a"] == ALL[:3]
    before = (tmp_path / "lock.json").read_bytes()
    write_lock(tmp_path / "lock.json", found)
    assert (tmp_path / "lock.json").read_bytes() == before


@pytest.mark.parametrize(
    "text",
    [
        None,
        "{",
        "[]",
        "{}",
        json.dumps({"sets": {"a": {"roots": [], "files": ["x"]}}, "files": {}}),
        json.dumps({"sets": {}, "files": {"x": {"sha1": ""}}}),
    ],
)
def test_a_lock_that_is_none_says_how_to_get_it_back(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "artifacts.lock.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(StackError) as caught:
        read_lock(path)
    error = caught.value
    assert (error.reference, error.exit_code) == ("artifact-lock", ExitCode.USAGE)
    assert str(error.hint).startswith("git checkout -- ")


def test_a_cache_that_cannot_be_written_to_is_told_only_when_something_is_to_be_fetched(
    tmp_path: Path, remote: Remote, shown: Shown
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StackError) as caught:
        ensure(ALL, tmp_path / "file" / "cache", shown, remote.connect)
    assert caught.value.reference == "cache-not-writable"
    assert "XDG_CACHE_HOME" in str(caught.value.hint)
