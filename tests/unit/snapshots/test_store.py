"""Snapshots as folders and as files: complete or not there, and never what was not saved."""

from __future__ import annotations

import io
import json
import os
import random
import struct
import tarfile
import tracemalloc
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import zstandard

from backbone.errors import StackError
from backbone.snapshots import manifest as manifests
from backbone.snapshots import store
from backbone.snapshots.manifest import Identity, Manifest
from backbone.snapshots.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

IDENTITY = Identity("cluster", {"kafka-1": "1"}, ("kafka-1", "postgres"), "4.3.1", "18 me db", {})


def quiet(_: str) -> None:
    pass


@pytest.fixture
def snapshots(tmp_path: Path) -> Store:
    return Store(tmp_path / "snapshots")


@pytest.fixture
def live(tmp_path: Path) -> dict[str, Path]:
    """Return the data of a stack: a log with a hole, an empty folder, a file of nobody's business."""
    parts = {name: tmp_path / "data" / name for name in ("kafka-1", "postgres")}
    for folder in parts.values():
        (folder / "empty").mkdir(parents=True)
        folder.chmod(0o700)
    log = parts["kafka-1"] / "topic-0" / "00.log"
    log.parent.mkdir()
    log.write_bytes(b"records" + bytes(1 << 20) + b"more")
    (parts["kafka-1"] / ".lock").touch()
    (parts["postgres"] / "PG_VERSION").write_text("18\n", encoding="utf-8")
    return parts


def save(snapshots: Store, live: dict[str, Path], name: str = "one") -> Manifest:
    with snapshots.new(name) as folder:
        entries = store.take(live, folder, quiet)
        made = Manifest(name, "2026-01-01T00:00:00+00:00", "1", "fake", IDENTITY, 30, secrets=False, entries=entries)
        store.seal(made, folder)
    return made


def contents(parts: dict[str, Path]) -> dict[str, bytes | None]:
    return {
        str(each.relative_to(folder.parent)): each.read_bytes() if each.is_file() else None
        for folder in parts.values()
        for each in sorted(folder.rglob("*"))
        if each.name != ".lock"
    }


def targets(tmp_path: Path) -> dict[str, Path]:
    found = {name: tmp_path / "fresh" / name for name in ("kafka-1", "postgres")}
    for folder in found.values():
        folder.mkdir(parents=True)
    return found


def test_what_was_saved_comes_back_without_the_lock_of_who_ran_on_it(
    snapshots: Store, live: dict[str, Path], tmp_path: Path
) -> None:
    made = save(snapshots, live)
    fresh = targets(tmp_path)
    snapshots.put(snapshots.load("one"), fresh, quiet)
    assert contents(fresh) == contents(live)
    assert not (fresh["kafka-1"] / ".lock").exists()
    assert fresh["postgres"].stat().st_mode & 0o777 == 0o700
    assert made == snapshots.load("one")


def test_a_file_elsewhere_gives_the_same(snapshots: Store, live: dict[str, Path], tmp_path: Path) -> None:
    made = save(snapshots, live)
    snapshots.export("one", tmp_path / "one.tar.zst", quiet)
    other = Store(tmp_path / "other")
    assert other.bring(tmp_path / "one.tar.zst", quiet, "two") == replace(made, name="two")
    fresh = targets(tmp_path)
    other.put(other.load("two"), fresh, quiet)
    assert contents(fresh) == contents(live)


def test_a_hole_takes_no_room_in_the_file(snapshots: Store, live: dict[str, Path], tmp_path: Path) -> None:
    with (live["kafka-1"] / "big").open("wb") as file:
        file.truncate(100 << 20)
    save(snapshots, live)
    snapshots.export("one", tmp_path / "one", quiet)
    assert (tmp_path / "one").stat().st_size < 64 << 10


def test_a_file_with_secrets_is_for_its_owner(snapshots: Store, live: dict[str, Path], tmp_path: Path) -> None:
    with snapshots.new("one") as folder:
        made = Manifest("one", "", "1", "fake", IDENTITY, None, secrets=True, entries=store.take(live, folder, quiet))
        store.seal(made, folder)
    snapshots.export("one", tmp_path / "one", quiet)
    assert (tmp_path / "one").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("seed", range(60))
def test_a_file_of_which_any_byte_is_another_or_the_end_is_missing_is_refused_and_leaves_nothing(
    seed: int, snapshots: Store, live: dict[str, Path], tmp_path: Path
) -> None:
    save(snapshots, live)
    file = tmp_path / "one"
    snapshots.export("one", file, quiet)
    chance = random.Random(seed)
    content = bytearray(file.read_bytes())
    if seed % 3 == 0:
        content = content[: len(content) - 1 - chance.randrange(len(content) - 1)]
    elif seed % 3 == 1:
        content += bytes(1 + chance.randrange(30))
    else:
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    file.write_bytes(content)
    other = Store(tmp_path / "other")
    with pytest.raises(StackError) as refused:
        other.bring(file, quiet)
    assert refused.value.reference == "snapshot-damaged"
    assert other.names() == []
    assert not other.folder.exists() or not list(other.folder.iterdir())


@pytest.mark.parametrize("name", ["/etc/passwd", "no-such-file", "."])
def test_what_is_no_snapshot_is_refused(name: str, snapshots: Store, tmp_path: Path) -> None:
    with pytest.raises(StackError) as refused:
        snapshots.bring(tmp_path / name, quiet)
    assert refused.value.reference in {"snapshot-damaged", "no-snapshot-file"}


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "data/kafka-1/topic-0/00.log").write_bytes(b"other"),
        lambda folder: (folder / "data/kafka-1/topic-0/00.log").unlink(),
        lambda folder: os.truncate(folder / "data/kafka-1/topic-0/00.log", 3),
        lambda folder: (folder / "data/postgres/PG_VERSION").write_bytes(b"19\n"),
        lambda folder: os.mkfifo(moved(folder / "data/postgres/PG_VERSION")),
        lambda folder: moved(folder / "data/postgres/PG_VERSION").symlink_to("PG_VERSION"),
        lambda folder: moved(folder / "data/postgres").write_text("no folder", encoding="utf-8"),
    ],
)
def test_a_kept_one_that_was_changed_is_not_put_back_and_not_exported(
    damage: Callable[[Path], object], snapshots: Store, live: dict[str, Path], tmp_path: Path
) -> None:
    made = save(snapshots, live)
    damage(snapshots.folder / "one")
    with pytest.raises(StackError, match="snapshot-damaged"):
        snapshots.export("one", tmp_path / "file", quiet)
    assert not (tmp_path / "file").exists()
    with pytest.raises(StackError, match="snapshot-damaged"):
        snapshots.put(made, targets(tmp_path), quiet)
    with pytest.raises(StackError, match="snapshot-damaged"):
        snapshots.verify(made)


def moved(path: Path) -> Path:
    """Move what is there away, and return the place."""
    path.rename(path.with_name("elsewhere"))
    return path


def edited(snapshots: Store, **changes: object) -> None:
    path = snapshots.folder / "one" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")


def test_a_damaged_one_can_be_removed(snapshots: Store, live: dict[str, Path]) -> None:
    save(snapshots, live)
    (snapshots.folder / "one" / "manifest.json").write_bytes(b"[" * 200_000)
    with pytest.raises(StackError, match="snapshot-damaged"):
        snapshots.load("one")
    snapshots.remove("one")
    assert snapshots.names() == []


def test_a_manifest_that_was_edited_is_refused(snapshots: Store, live: dict[str, Path]) -> None:
    save(snapshots, live)
    edited(snapshots, metadata_version=7)
    with pytest.raises(StackError, match="snapshot-damaged"):
        snapshots.load("one")


def test_a_later_format_is_refused_by_its_number_whatever_else_it_says(snapshots: Store, live: dict[str, Path]) -> None:
    save(snapshots, live)
    edited(snapshots, format=2, unheard_of=True)
    with pytest.raises(StackError, match="snapshot-newer"):
        snapshots.load("one")


@pytest.mark.parametrize(
    "path",
    [
        "../outside",
        "/etc/x",
        "kafka-1/../../x",
        "",
        "kafka-9/x",
        "secrets/x",
        "kafka-1//x",
        "kafka-1/./x",
        "kafka-1/a\0b",
        "kafka-1/\ud800",
        "kafka-1/nowhere/x",
    ],
)
def test_a_manifest_that_names_a_file_outside_is_refused(path: str, snapshots: Store, live: dict[str, Path]) -> None:
    made = save(snapshots, live)
    text = replace(made, entries=(made.entries[0], replace(made.entries[-1], path=path))).dump()
    with pytest.raises(StackError, match="snapshot-damaged"):
        manifests.load(text, "one")


def test_a_manifest_that_names_a_file_twice_is_refused(snapshots: Store, live: dict[str, Path]) -> None:
    made = save(snapshots, live)
    with pytest.raises(StackError, match="snapshot-damaged"):
        manifests.load(replace(made, entries=(*made.entries, made.entries[-1])).dump(), "one")


def test_the_same_file_twice_is_one_snapshot(snapshots: Store, live: dict[str, Path], tmp_path: Path) -> None:
    made = save(snapshots, live)
    snapshots.export("one", tmp_path / "file", quiet)
    assert snapshots.bring(tmp_path / "file", quiet) == made
    (live["postgres"] / "PG_VERSION").write_text("19\n", encoding="utf-8")
    snapshots.remove("one")
    save(snapshots, live)
    with pytest.raises(StackError, match="snapshot-exists"):
        snapshots.bring(tmp_path / "file", quiet)


def test_names_are_taken_once_and_begun_ones_do_not_count(snapshots: Store, live: dict[str, Path]) -> None:
    save(snapshots, live)
    with pytest.raises(StackError, match="snapshot-exists"):
        save(snapshots, live)
    with pytest.raises(StackError, match="snapshot-name"):
        snapshots.load("../one")
    with pytest.raises(RuntimeError), snapshots.new("two"):
        raise RuntimeError
    assert snapshots.names() == ["one"]
    (snapshots.folder / ".three.partial").mkdir()  # of a task that was killed
    save(snapshots, live, "four")
    assert sorted(each.name for each in snapshots.folder.iterdir()) == ["four", "one"]
    snapshots.remove("one")
    assert snapshots.names() == ["four"]
    with pytest.raises(StackError, match="no-such-snapshot"):
        snapshots.remove("one")


def test_a_file_below_a_file_is_refused(snapshots: Store, live: dict[str, Path]) -> None:
    made = save(snapshots, live)
    file = next(each for each in made.entries if each.sha256)
    with pytest.raises(StackError, match="snapshot-damaged"):
        manifests.load(replace(made, entries=(*made.entries, replace(file, path=f"{file.path}/x"))).dump(), "one")


def test_a_renamed_folder_is_the_snapshot_of_that_name(snapshots: Store, live: dict[str, Path], tmp_path: Path) -> None:
    save(snapshots, live)
    (snapshots.folder / "one").rename(snapshots.folder / "two")
    snapshots.put(snapshots.load("two"), targets(tmp_path), quiet)


def test_what_is_no_folder_of_a_snapshot_has_its_name_and_can_be_removed(snapshots: Store, tmp_path: Path) -> None:
    (snapshots.folder / "empty").mkdir(parents=True)
    (snapshots.folder / "link").symlink_to(tmp_path)
    (snapshots.folder / "file").touch()
    for name in ("empty", "link", "file"):
        with pytest.raises(StackError, match="snapshot-exists"):
            snapshots.demand_new(name)
        with pytest.raises(StackError, match="snapshot-damaged"):
            snapshots.load(name)
        snapshots.remove(name)
    assert list(snapshots.folder.iterdir()) == []
    assert tmp_path.is_dir()


@pytest.mark.parametrize("name", [".", "..", "folder", "pipe"])
def test_an_export_goes_where_a_file_can_be_and_nowhere_else(
    name: str, snapshots: Store, live: dict[str, Path], tmp_path: Path
) -> None:
    save(snapshots, live)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StackError, match="no-snapshot-file"):
        snapshots.export("one", tmp_path / name, quiet)
    assert (tmp_path / "pipe").is_fifo()


def test_the_rest_of_an_export_that_was_killed_does_not_open_a_secret_to_others(
    snapshots: Store, live: dict[str, Path], tmp_path: Path
) -> None:
    with snapshots.new("one") as folder:
        made = Manifest("one", "", "1", "fake", IDENTITY, None, secrets=True, entries=store.take(live, folder, quiet))
        store.seal(made, folder)
    (tmp_path / ".file.partial").touch(mode=0o644)
    snapshots.export("one", tmp_path / "file", quiet)
    assert (tmp_path / "file").stat().st_mode & 0o077 == 0


def packed(*members: tuple[str, bytes, int]) -> bytes:
    """Return an archive of members (name, type, size, all zeros) with the length that an export has at its end."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for name, kind, size in members:
            member = tarfile.TarInfo(name)
            member.type, member.size = kind, size
            tar.fileobj.write(member.tobuf() + bytes(-size % 512 + size))
    content = zstandard.compress(plain.getvalue())
    return content + struct.pack("<IIQ", 0x184D2A50, 8, len(content))


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_SPARSE])
def test_a_header_that_would_fill_the_memory_is_damage(kind: bytes, snapshots: Store, tmp_path: Path) -> None:
    (tmp_path / "bomb").write_bytes(packed(("manifest.json", kind, 64 << 20)))
    tracemalloc.start()
    with pytest.raises(StackError, match="snapshot-damaged"):
        snapshots.bring(tmp_path / "bomb", quiet)
    assert tracemalloc.get_traced_memory()[1] < 16 << 20
    tracemalloc.stop()


def test_a_link_in_the_place_of_a_file_is_damage(snapshots: Store, live: dict[str, Path], tmp_path: Path) -> None:
    made = save(snapshots, live)
    text = made.dump()
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        member = tarfile.TarInfo("manifest.json")
        member.size = len(text)
        tar.addfile(member, io.BytesIO(text))
        link = tarfile.TarInfo(f"data/{next(each.path for each in made.entries if each.sha256)}")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    content = zstandard.compress(plain.getvalue())
    (tmp_path / "file").write_bytes(content + struct.pack("<IIQ", 0x184D2A50, 8, len(content)))
    with pytest.raises(StackError, match="snapshot-damaged"):
        Store(tmp_path / "other").bring(tmp_path / "file", quiet)
    assert list((tmp_path / "other").iterdir()) == []


def test_a_name_that_is_no_text_goes_out_and_comes_in(snapshots: Store, live: dict[str, Path], tmp_path: Path) -> None:
    (live["kafka-1"] / os.fsdecode(b"odd\xff\n name")).write_text("content", encoding="utf-8")
    (live["kafka-1"] / ("long" * 60)).write_text("content", encoding="utf-8")
    save(snapshots, live)
    snapshots.export("one", tmp_path / "file", quiet)
    other = Store(tmp_path / "other")
    other.bring(tmp_path / "file", quiet)
    fresh = targets(tmp_path)
    other.put(other.load("one"), fresh, quiet)
    assert contents(fresh) == contents(live)


def test_the_brokers_keep_their_room_on_a_disk_that_fills(
    snapshots: Store, live: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(snapshots, live)
    snapshots.export("one", tmp_path / "file", quiet)
    usual = os.fstatvfs

    def nearly_full(descriptor: int) -> os.statvfs_result:
        found = list(usual(descriptor))
        found[4] = 1  # blocks that are free
        return os.statvfs_result(found)

    monkeypatch.setattr(os, "fstatvfs", nearly_full)
    other = Store(tmp_path / "other")
    with pytest.raises(StackError, match="snapshot-copy") as refused:
        other.bring(tmp_path / "file", quiet)
    assert "left to the brokers" in refused.value.message
    assert list(other.folder.iterdir()) == []


def test_what_is_neither_file_nor_folder_is_refused(snapshots: Store, live: dict[str, Path]) -> None:
    (live["postgres"] / "tablespace").symlink_to("/tmp")  # noqa: S108 - only named
    with pytest.raises(StackError, match="snapshot-file"):
        save(snapshots, live)
    assert snapshots.names() == []


def test_a_long_copy_says_how_far_it_is(snapshots: Store, live: dict[str, Path]) -> None:
    with (live["kafka-1"] / "big").open("wb") as file:
        file.truncate(600 << 20)
    said: list[str] = []
    with snapshots.new("one") as folder:
        store.take(live, folder, said.append)
    assert said == ["copying: 600 of 601 MiB"]
