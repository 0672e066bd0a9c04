from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from backbone.stack.engine.embedded.aot import Cache, cache_for, was_refused

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@pytest.fixture
def jar(tmp_path: Path) -> Path:
    path = tmp_path / "a.jar"
    path.write_bytes(b"classes")
    return path


def place(jar: Path, *, jre: str = "25", flags: Sequence[str] = ("-XX:+UseSerialGC",), name: str = "kafka") -> Path:
    return cache_for(jar.parent / "aot", name=name, jre=jre, classpath=[jar], flags=flags).path


def test_the_same_program_has_the_same_cache(jar: Path) -> None:
    assert place(jar) == place(jar)
    assert place(jar).name.startswith("kafka-")
    assert place(jar).parent.is_dir()


def test_the_heap_and_the_order_of_flags_change_nothing(jar: Path) -> None:
    assert place(jar, flags=["-Xmx1g", "-A", "-B"]) == place(jar, flags=["-B", "-Xms1m", "-Xmx2g", "-A"])


def test_another_jre_flag_jar_or_name_has_another_cache(jar: Path) -> None:
    places = {place(jar), place(jar, jre="26"), place(jar, flags=["-XX:+UseG1GC"]), place(jar, name="connect")}
    jar.write_bytes(b"other classes")
    places.add(place(jar))
    status = jar.stat()
    os.utime(jar, ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))
    places.add(place(jar))
    assert len(places) == 6


def test_a_cache_is_ready_when_the_jvm_has_finished_it(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "kafka.aot")
    assert not cache.ready
    cache.recording.touch()
    assert not cache.ready
    cache.path.touch()
    assert not cache.ready
    cache.recording.unlink()
    assert cache.ready


def test_a_place_that_takes_nothing_gets_no_cache(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    jar = tmp_path / "file"
    cache = cache_for(tmp_path / "file" / "aot", name="kafka", jre="25", classpath=[jar], flags=[])
    assert cache.start_flags(refused=False, recorded=False) == []


def test_discards_the_cache_and_what_an_unfinished_recording_left(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "kafka.aot")
    cache.discard()
    cache.path.touch()
    cache.recording.touch()
    cache.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_nothing_used_for_a_month_goes_when_another_is_recorded(tmp_path: Path) -> None:
    day = 24 * 3600.0
    used, forgotten, new = (Cache(tmp_path / f"{name}.aot") for name in ("used", "forgotten", "new"))
    for cache in (used, forgotten):
        cache.path.touch()
        os.utime(cache.path, (0, 0))
    assert used.start_flags(refused=False, recorded=False, now=20 * day) == used.use_flags()
    assert forgotten.path.exists()
    assert new.start_flags(refused=False, recorded=False, now=40 * day) == new.record_flags()
    assert used.path.exists()
    assert not forgotten.path.exists()


def test_flags_name_the_file(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "kafka.aot")
    assert f"-XX:AOTCache={cache.path}" in cache.use_flags()
    assert cache.record_flags() == [f"-XX:AOTCacheOutput={cache.path}"]


@pytest.mark.parametrize(
    ("output", "refused"),
    [
        ("[0.005s][error][aot] An error has occurred while processing the AOT cache. Run with -Xlog:aot", True),
        ("[0.1s][warning][aot] Unable to use AOT cache.", True),
        ("[2026-11-22] INFO started (kafka.server.KafkaServer)", False),
        ("", False),
    ],
)
def test_knows_from_the_output_that_the_jvm_could_not_use_it(output: str, refused: bool) -> None:
    assert was_refused(output) is refused
