"""The benchmarks of the tools: what is started how often, what is counted, and what is said when it can't be done."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import yaml

from backbone.capacity.knee import Case
from backbone.errors import ExitCode, StackError
from scripts.maintain import capacity_benchmark, kept_figures, lint_benchmark, start_benchmark
from scripts.maintain.start_benchmark import Start
from tests.fakes import PLAIN, FakeEngine, model, stack

if TYPE_CHECKING:
    from pathlib import Path

    from backbone.stack.engine.base import Stack

MIB = 1 << 20


@dataclass
class Cached(FakeEngine):
    """An engine that can do without what makes a start sooner."""

    use_cache: bool = True
    overlap: bool = True


def test_two_checkouts_start_in_turns_and_their_first_starts_do_not_count(tmp_path: Path) -> None:
    log = tmp_path / "log"
    checkouts = {name: tmp_path / name for name in ("here", "there")}
    for name, folder in checkouts.items():
        folder.mkdir()
        (folder / "invoke").write_text(
            f'#!/bin/sh\necho "{name} $1 $(basename "$DEFAULT_MESSAGE_BROKER_DIR")" >> {log}\n'
        )
        (folder / "invoke").chmod(0o755)
    took = start_benchmark.beside(checkouts, 1, lambda _: None)
    assert {name: len(seconds) for name, seconds in took.items()} == {"here": 1, "there": 1}
    one_turn = ["here up here", "here down here", "there up there", "there down there"]
    assert log.read_text().splitlines() == one_turn * 3
    (tmp_path / "there" / "invoke").write_text("#!/bin/sh\necho no >&2\nexit 4\n")
    with pytest.raises(StackError, match="invoke up failed") as failed:
        start_benchmark.beside(checkouts, 1, lambda _: None)
    assert "no" in str(failed.value.context)


def test_each_round_starts_every_kind_on_the_data_of_the_round(tmp_path: Path) -> None:
    engines: dict[tuple[str, bool], Cached] = {}

    def on(data: Path, lite: bool) -> Stack:
        engine = engines[data.name, lite] = Cached(model(a=PLAIN), needs=0)
        return stack(tmp_path, engine)

    starts = start_benchmark.measure(on, 2, lambda _: None)
    kinds = [kind for kind in start_benchmark.KINDS if not (kind.brokers or kind.restored)]
    assert [start.kind for start in starts] == [start_benchmark.FIRST, *kinds, *kinds]
    assert [(name, lite, len(engine.done) // 2) for (name, lite), engine in engines.items()] == [
        ("first", False, 1),
        ("round-0", False, 4),
        ("round-0", True, 2),
        ("round-1", False, 4),
        ("round-1", True, 2),
    ]


def test_ratios_are_of_paired_starts_on_existing_data() -> None:
    starts = [
        Start(kind, seconds, seconds / 2, (mib * MIB,), seconds * 1.5)
        for kind, seconds, mib in (
            (start_benchmark.EXISTING, 4.0, 3),
            (start_benchmark.UNCACHED, 8.0, 2),
            (start_benchmark.IN_TURN, 5.0, 1),
            (start_benchmark.EXISTING, 40.0, 1),
            (start_benchmark.UNCACHED, 80.0, 1),
            (start_benchmark.IN_TURN, 50.0, 1),
            (start_benchmark.RESTORED, 5.5, 1),
            (start_benchmark.RESTORED, 42.5, 1),
        )
    ]
    found = start_benchmark.summary(starts)
    assert found["median_ratio_with_to_without"] == 0.5
    assert found["median_ratio_overlapped_to_one_after_another"] == 0.8
    assert found["largest_broker_mib"] == 3
    assert found["median_down_seconds"] == {
        "existing data": 11.0,
        "existing data, without the cache": 22.0,
        "existing data, one after another": 13.75,
        "existing data, restored": 12.0,
    }
    assert found["median_seconds"] == {
        "existing data": 22.0,
        "existing data, without the cache": 44.0,
        "existing data, one after another": 27.5,
        "existing data, restored": 24.0,
    }
    assert found["median_seconds_of_a_restore_beyond_a_start"] == 2.0
    assert start_benchmark.rows(found)[0] == ["existing data", "22.0", "4.0 - 40.0", "33.0", "11.0"]


def test_a_start_that_fails_leaves_nothing_running(tmp_path: Path) -> None:
    engine = Cached(model(a=PLAIN), needs=0, dying=frozenset("a"))
    with pytest.raises(StackError, match="service-died"):
        start_benchmark.measure(lambda *_: stack(tmp_path, engine), 1, lambda _: None)
    assert engine.done == ["start a", "stop a"]


def test_the_scratch_folder_has_all_downloads_and_no_start_up_cache(tmp_path: Path) -> None:
    real = tmp_path / "real"
    (real / "repository").mkdir(parents=True)
    (real / "repository" / "a.jar").touch()
    (real / "aot").mkdir()
    start_benchmark.without_caches(real, tmp_path / "scratch")
    assert [path.name for path in (tmp_path / "scratch").iterdir()] == ["repository"]
    assert (tmp_path / "scratch" / "repository" / "a.jar").is_file()


def test_a_generated_project_has_so_many_services_each_on_a_port_of_its_own(tmp_path: Path) -> None:
    project = lint_benchmark.write_project(tmp_path / "p", 12)
    services = yaml.safe_load((project / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    assert len(services) == 12
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert len(set(ports)) == len(ports) == 8


def test_commands_take_turns_and_the_first_turn_does_not_count(tmp_path: Path) -> None:
    log = tmp_path / "log"
    argv = [sys.executable, "-c", "import sys; open(sys.argv[1], 'a').write(sys.argv[2])", str(log)]
    timings = lint_benchmark.compare({"one": [*argv, "1"], "two": [*argv, "2"]}, 2)
    assert [(each.name, each.runs) for each in timings] == [("one", 2), ("two", 2)]
    assert log.read_text(encoding="utf-8") == "121212"


def test_a_run_is_told_with_its_exit_code_its_memory_and_its_first_words() -> None:
    found = lint_benchmark.run([sys.executable, "-c", "import time; print('no such file'); time.sleep(0.2); exit(3)"])
    assert (found.exit_code, found.words) == (3, "no such file")
    assert found.peak_mib > 1


def test_without_npm_there_is_no_other_linter_to_compare_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StackError) as caught:
        lint_benchmark.install_dclint(tmp_path / "node")
    assert (caught.value.reference, caught.value.exit_code) == ("no-npm", ExitCode.ENVIRONMENT)


def test_what_capacity_predicted_is_kept_with_what_was_measured_and_drawn_into_the_docs(tmp_path: Path) -> None:
    cases = (Case(512, 5000.0, 4000.0), Case(8192, 270.0, 300.0))
    capacity_benchmark.keep(tmp_path / "capacity", {256: 8000.0, 4096: 900.0}, cases)
    told = "\n".join(kept_figures.tables(tmp_path))
    assert "from 8,000/s of 256 B and 900/s of 4096 B" in told
    assert "| 512 B | 5,000/s | 4,000/s | +25% |" in told
    assert "| 8192 B | 270/s | 300/s | -10% |" in told
