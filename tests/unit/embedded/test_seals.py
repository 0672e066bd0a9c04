from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from backbone.errors import StackError
from backbone.stack.engine.embedded import packages, seals
from backbone.stack.engine.embedded.seals import Seals, sealed

if TYPE_CHECKING:
    from pathlib import Path

SHA_OF_X = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"


@dataclass
class Maker:
    """Fills a folder as an archive would, and counts how often it had to."""

    times: int = 0

    def __call__(self, folder: Path) -> None:
        self.times += 1
        (folder / "lib").mkdir(parents=True)
        (folder / "lib" / "a.jar").write_bytes(b"a" * 100)
        (folder / "lib" / "b.jar").write_bytes(b"b" * 100)
        (folder / "link").symlink_to("lib/a.jar")


def test_what_is_whole_is_made_once(tmp_path: Path) -> None:
    make = Maker()
    assert sealed(tmp_path / "tool", make) == sealed(tmp_path / "tool", make) == tmp_path / "tool"
    assert make.times == 1


def altered(folder: Path) -> None:
    jar = folder / "lib" / "a.jar"
    times = jar.stat()
    jar.write_bytes(b"x" * 100)
    os.utime(jar, ns=(times.st_atime_ns, times.st_mtime_ns))


def emptied(folder: Path) -> None:
    (folder / "lib" / "a.jar").write_bytes(b"")


def lost(folder: Path) -> None:
    (folder / "lib" / "b.jar").unlink()


def added(folder: Path) -> None:
    (folder / "lib" / "evil.jar").write_bytes(b"e")


def led_elsewhere(folder: Path) -> None:
    (folder / "link").unlink()
    (folder / "link").symlink_to("/etc/hostname")


def replaced_by_a_file(folder: Path) -> None:
    folder.rename(folder.with_name("away"))
    folder.write_bytes(b"")


def seal_lost(folder: Path) -> None:
    folder.with_name("tool.seal").unlink()


def seal_of_nonsense(folder: Path) -> None:
    folder.with_name("tool.seal").write_text('{"lib/a.jar": 7}', encoding="utf-8")


def left_half_done(folder: Path) -> None:
    folder.rename(folder.with_name("tool.partial"))
    folder.with_name("tool.old").mkdir()


@pytest.mark.parametrize(
    "damage",
    [
        *(altered, emptied, lost, added, led_elsewhere, replaced_by_a_file),
        *(seal_lost, seal_of_nonsense, left_half_done),
    ],
)
def test_what_is_not_as_it_was_is_made_again(tmp_path: Path, damage: object) -> None:
    make = Maker()
    folder = sealed(tmp_path / "tool", make)
    assert callable(damage)
    damage(folder)
    assert sealed(folder, make) == folder
    assert make.times == 2
    assert sorted(path.name for path in (folder / "lib").iterdir()) == ["a.jar", "b.jar"]
    assert (folder / "link").read_bytes() == b"a" * 100
    assert sealed(folder, make) == folder
    assert make.times == 2
    assert {path.name for path in tmp_path.iterdir()} - {"away"} == {"tool", "tool.lock", "tool.seal"}


def test_what_was_only_touched_is_kept(tmp_path: Path) -> None:
    make = Maker()
    folder = sealed(tmp_path / "tool", make)
    os.utime(folder / "lib" / "a.jar", (1, 1))
    sealed(folder, make)
    assert make.times == 1


def test_a_maker_that_fails_leaves_what_there_was(tmp_path: Path) -> None:
    def fail(_: Path) -> None:
        raise StackError("unpack-failed", "no room")

    folder = sealed(tmp_path / "tool", Maker())
    emptied(folder)
    with pytest.raises(StackError, match="unpack-failed"):
        sealed(folder, fail)
    assert (folder / "lib" / "b.jar").exists()


def test_a_cache_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"in the way")
    with pytest.raises(StackError, match="cache-not-writable") as caught:
        sealed(tmp_path / "cache" / "tool", Maker())
    assert str(tmp_path / "cache") in str(caught.value.hint)


def test_an_unchanged_file_is_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").write_bytes(b"x")
    known = Seals.read(tmp_path / "seals", tmp_path)
    assert known.digest("x") == SHA_OF_X
    known.save()
    monkeypatch.setattr(seals, "sha256", lambda path: f"hashed again: {path.name}")
    again = Seals.read(tmp_path / "seals", tmp_path)
    assert again.digest("x") == SHA_OF_X
    assert again.digest("none") is None
    (tmp_path / "x").write_bytes(b"y")
    assert again.digest("x") == "hashed again: x"


def test_a_package_whose_file_was_cut_short_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "brings_java-1.0.dist-info"
    info.mkdir()
    (tmp_path / "java").write_bytes(b"whole")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: brings-java\nVersion: 1.0\n", encoding="utf-8")
    (info / "RECORD").write_text("java,sha256=x,5\nbrings_java-1.0.dist-info/RECORD,,\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    packages.demand("brings-java")
    packages.demand.cache_clear()
    (tmp_path / "java").write_bytes(b"")
    with pytest.raises(StackError, match="package-damaged") as caught:
        packages.demand("brings-java")
    assert caught.value.context == "java"
    assert "brings-java==1.0" in str(caught.value.hint)
