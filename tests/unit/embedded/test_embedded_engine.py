"""The embedded engine over small processes in the place of JVMs: who runs, with what, and what is told of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
import threading
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from backbone.errors import StackError
from backbone.stack.engine.embedded import process
from backbone.stack.engine.embedded.engine import EmbeddedEngine
from backbone.stack.engine.embedded.local_service import Launch, LocalService, Runtime
from backbone.stack.engine.embedded.members import Members
from backbone.stack.settings import Settings
from backbone.wait import wait_until
from tests.fakes import model

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Says what it was given, and goes at SIGTERM; with HOLD it waits until that file is there.
PROGRAM = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: setattr(sys.modules[__name__], "told", True))
told = False
open("logs/service.log", "a").write(os.environ.get("SAYS", "fine") + "\\n")
print("ready", flush=True)
while not told or ("HOLD" in os.environ and not os.path.exists(os.environ["HOLD"])):
    time.sleep(0.01)
"""


def launch(local: LocalService) -> Launch:
    return Launch((sys.executable, "-c", PROGRAM), {**local.environment, "LANG": "C.UTF-8"})


PLAIN = Runtime(sets=(), launch=launch, endpoint=lambda _: "tcp://127.0.0.1:1", check=lambda _: None)


@dataclass
class Lab:
    """A home with services a and b. `engine` opens it as a new task would."""

    root: Path
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    topics: list[str] = field(default_factory=list)
    """What b makes where it is missing."""
    nodes: tuple[str, ...] = ()
    """What b depends on."""
    listens: list[str] = field(default_factory=list)
    """The addresses that a listens on."""
    alone: float | None = None
    """Seconds that the last of a and b may take to stop."""
    endpoint: str = "tcp://127.0.0.1:1"

    def engine(self, *renewed: str) -> EmbeddedEngine:
        bodies: dict[str, dict[str, Any]] = {
            name: {
                "image": "plain",
                "x-embedded": {"runtime": "plain"},
                "stop_grace_period": "20s",
                "environment": {"NAME": name, **self.changes.get(name, {})},
                "volumes": [{"type": "bind", "source": str(self.root / "data" / name), "target": "/data"}],
            }
            for name in ("a", "b", *self.nodes[1:])
        }
        bodies["a"]["x-embedded"] |= {"listens": self.listens}
        if self.topics:
            needs = {name: {"condition": "service_healthy"} for name in self.nodes}
            bodies["b"] |= {"x-embedded": {"runtime": "waiting"}, "depends_on": needs}
        plain = replace(PLAIN, alone=self.alone, endpoint=lambda _: self.endpoint)
        waiting = replace(PLAIN, topics=lambda _: self.topics)
        settings = Settings(self.root, {"XDG_CACHE_HOME": str(self.root / "cache")})
        return EmbeddedEngine(
            settings,
            model(**bodies),
            lambda *_: None,
            renewed=frozenset(renewed),
            runtimes={"plain": plain, "waiting": waiting},
        )

    def up(self, *names: str) -> None:
        """Start services and wait until each can be told to stop."""
        self.engine().start(names or ("a", "b"), self.said.append)
        for name in names or ("a", "b"):
            output = self.home(name) / "output.log"
            wait_until(partial(output.read_text, encoding="utf-8"), what=name, timeout=30, interval=0.01)

    def home(self, name: str) -> Path:
        return self.root / ".stack" / "embedded" / name

    def record(self, name: str) -> Path:
        return self.home(name) / "process.json"

    def state(self, name: str) -> tuple[str, str]:
        (found,) = self.engine().states([name])
        return found.phase, found.detail

    def pid(self, name: str) -> int | None:
        (found,) = self.engine().states([name])
        return found.pid

    def environ(self, name: str) -> dict[str, str]:
        return psutil.Process(self.pid(name)).environ()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    for name in ("a", "b"):
        if pid := made.pid(name):
            os.kill(pid, signal.SIGKILL)
            process.reap(pid)


def test_a_service_whose_record_is_lost_or_nonsense_runs_all_the_same(lab: Lab) -> None:
    lab.up()
    before = lab.pid("a"), lab.pid("b")
    lab.record("a").unlink()
    lab.record("b").write_text('{"pid": -1}', encoding="utf-8")
    assert (lab.pid("a"), lab.pid("b")) == before
    assert not lab.record("a").exists(), "looking writes nothing"
    lab.engine().preflight(["a", "b"], lab.said.append)
    assert process.read(lab.record("a")) is not None
    lab.engine().stop(["a", "b"], lab.said.append)
    assert [lab.state(name) for name in ("a", "b")] == [("stopped", ""), ("stopped", "")]


def test_a_copy_of_a_home_that_runs_is_another_home(lab: Lab) -> None:
    lab.up()
    before = lab.pid("a"), lab.pid("b")
    copy = Lab(lab.root.parent / "copy")
    shutil.copytree(lab.root, copy.root)
    assert (copy.pid("a"), copy.pid("b")) == (None, None)
    strays = {name: (found.pid, home) for name, found, home in Members(copy.root).strays(["a", "b", "c"])}
    assert strays == {"a": (before[0], str(lab.root)), "b": (before[1], str(lab.root))}
    assert list(Members(lab.root).strays(["a", "b"])) == []
    copy.engine().stop(["a", "b"], copy.said.append)
    assert (lab.pid("a"), lab.pid("b")) == before


def test_a_number_that_was_given_anew_is_anothers(lab: Lab) -> None:
    lab.up("a")
    lab.home("b").mkdir()
    process.adopt(lab.record("b"), process.Record(replace(process.identify(psutil.Process()), started="before")))
    assert lab.state("b")[0] == "exited"
    assert [(name, found.pid, home) for name, found, home in Members(lab.root).strays(["a", "b"])] == [
        ("b", os.getpid(), "")
    ]


def test_a_home_that_was_moved_still_has_its_processes(lab: Lab) -> None:
    lab.up("a")
    before = lab.pid("a")
    lab.root = lab.root.rename(lab.root.parent / "moved")
    assert lab.pid("a") == before
    lab.engine().stop(["a"], lab.said.append)
    assert lab.state("a") == ("stopped", "")


def test_the_record_of_another_service_is_nobodys(lab: Lab) -> None:
    lab.up("a")
    lab.home("b").mkdir(parents=True)
    shutil.copy(lab.record("a"), lab.record("b"))
    assert (lab.pid("b"), lab.state("a")[0]) == (None, "starting")
    lab.engine().stop(["b"], lab.said.append)
    assert lab.state("a")[0] == "starting"


def test_what_running_services_read_is_put_back(lab: Lab) -> None:
    lab.up("a")
    hosts = lab.home("a").parent / "hosts"
    before = hosts.read_text(encoding="utf-8")
    shutil.rmtree(lab.root / ".stack")
    lab.engine().preflight(["a"], lab.said.append)
    lab.engine().start(["a"], lab.said.append)
    assert hosts.read_text(encoding="utf-8") == before
    assert (lab.home("a") / "tmp").is_dir()


def test_temporary_files_of_a_killed_service_go_with_its_next_start(lab: Lab) -> None:
    lab.up("a")
    unpacked = lab.home("a") / "tmp" / "liblz4.so"
    unpacked.touch()
    lab.engine().signal("a", signal.SIGKILL)
    lab.up("a")
    assert not unpacked.exists()
    assert unpacked.parent.is_dir()


def test_a_record_of_nonsense_is_no_accident(lab: Lab) -> None:
    lab.home("a").mkdir(parents=True)
    lab.record("a").write_text("nonsense", encoding="utf-8")
    assert lab.state("a") == ("stopped", "")


def test_what_dies_has_died_and_what_ended_with_the_machine_is_told_so(lab: Lab) -> None:
    lab.up("a")
    lab.engine().signal("a", signal.SIGKILL)
    assert lab.state("a") == ("exited", "died")
    raw = json.loads(lab.record("a").read_text(encoding="utf-8"))
    raw["identity"]["started"] = "boot 0f1e tick 7"
    lab.record("a").write_text(json.dumps(raw), encoding="utf-8")
    assert lab.state("a") == ("exited", "ended when this machine was restarted")


def test_what_a_killed_task_had_stopped_has_not_died(lab: Lab) -> None:
    lab.up("a")
    pid = lab.pid("a")
    assert pid is not None
    process.mark_stopping(lab.record("a"), process.identify(psutil.Process(pid)))  # and here the task was killed
    assert lab.state("a")[1] == "was told to stop"
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: lab.state("a") == ("stopped", ""), what="its end", timeout=30, interval=0.01)


def test_a_start_waits_for_the_end_of_what_was_told_to_stop(lab: Lab) -> None:
    lab.up("a")
    pid = lab.pid("a")
    assert pid is not None
    process.mark_stopping(lab.record("a"), process.identify(psutil.Process(pid)))
    lab.engine().start(["a"], lab.said.append)
    assert lab.pid("a") not in (None, pid)
    assert any("was told to stop" in words for words in lab.said)
    assert lab.state("a")[0] == "starting"


def test_a_restart_brings_back_what_ran_unless_it_is_renewed(lab: Lab) -> None:
    lab.changes = {"a": {"PROFILE": "fast"}}
    lab.up("a")
    lab.changes = {}
    engine = lab.engine()
    assert engine.as_running["a"].environment["PROFILE"] == "fast"
    assert engine.outdated() == {"a": ["PROFILE"]}
    engine.stop(["a"], lab.said.append)
    engine.start(["a"], lab.said.append, as_ran=True)
    assert lab.environ("a")["PROFILE"] == "fast"
    renewing = lab.engine("a")
    renewing.stop(["a"], lab.said.append)
    renewing.start(["a"], lab.said.append)
    assert "PROFILE" not in lab.environ("a")
    assert lab.engine().outdated() == {}


def test_what_does_not_run_starts_as_the_files_say(lab: Lab) -> None:
    lab.changes = {"a": {"PROFILE": "fast"}}
    lab.up("a")
    lab.engine().stop(["a"], lab.said.append)
    lab.changes = {}
    lab.up("a")
    assert "PROFILE" not in lab.environ("a")


def test_a_definition_of_nonsense_is_none(lab: Lab) -> None:
    lab.up("a")
    for text in ("", "[]", "7", '{"environment": 7}', '{"ports": [7]}', "[" * 100_000):
        (lab.home("a") / "service.json").write_text(text, encoding="utf-8")
        assert lab.engine().as_running["a"].environment["NAME"] == "a"


def test_the_evidence_of_an_end_is_of_the_last_start(lab: Lab) -> None:
    lab.changes = {"a": {"SAYS": "ERROR of the first start"}}
    lab.up("a")
    lab.engine().stop(["a"], lab.said.append)
    lab.changes = {"a": {"SAYS": "ERROR of the second start"}}
    lab.up("a")
    lab.engine().signal("a", signal.SIGKILL)
    assert lab.engine().said("a") == ["ready", "ERROR of the second start"]
    assert lab.engine().failure("a") == "ERROR of the second start"


def test_what_is_paused_goes_on_at_the_next_start(lab: Lab) -> None:
    lab.up("a")
    pid = lab.pid("a")
    lab.engine().signal("a", signal.SIGSTOP)
    wait_until(lambda: lab.state("a")[0] == "paused", what="the pause", timeout=30, interval=0.01)
    lab.engine().start(["a"], lab.said.append)
    wait_until(lambda: lab.state("a")[0] == "starting", what="going on", timeout=30, interval=0.01)
    assert lab.pid("a") == pid
    assert "a was paused and goes on" in lab.said


def test_who_is_paused_is_not_asked_and_so_not_waited_for(lab: Lab) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        lab.endpoint = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        lab.up("a")
        (found,) = lab.engine().states(["a"])
        assert found.phase == "running"
        listener.accept()[0].close()
        lab.engine().signal("a", signal.SIGSTOP)
        wait_until(lambda: psutil.Process(found.pid).status() == psutil.STATUS_STOPPED, what="the pause", timeout=30)
        assert lab.state("a")[0] == "paused"
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_data_that_is_moved_while_it_runs_is_named(lab: Lab) -> None:
    lab.up("a")
    folder = lab.root / "data" / "a"
    folder.rename(folder.with_name("elsewhere"))
    (found,) = lab.engine().states(["a"])
    assert found.data_gone
    assert found.health == "unhealthy"
    assert str(folder) in found.detail


def test_data_that_a_start_does_not_find_is_named(lab: Lab) -> None:
    folder = lab.root / "data" / "a"
    lab.engine().preflight(["a"], lab.said.append)
    lab.up("a")
    (folder / "record").write_text("x", encoding="utf-8")
    lab.engine().stop(["a"], lab.said.append)
    lab.engine().preflight(["a"], lab.said.append)
    assert not any("empty data" in words for words in lab.said), "a first start, and one that finds its data"
    folder.rename(folder.with_name("elsewhere"))
    lab.engine().preflight(["a"], lab.said.append)
    assert lab.said[-1] == f"a starts with empty data: {folder} was moved or emptied since its last start"


def test_what_cannot_be_removed_is_told_with_its_path(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.home("a").mkdir(parents=True)

    def refuse(path: Path) -> None:
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr(shutil, "rmtree", refuse)
    with pytest.raises(StackError, match="not-removed") as caught:
        lab.engine().remove_data(lab.said.append)
    assert "Read-only file system" in str(caught.value.context)


def test_a_disk_that_takes_nothing_keeps_nobody_from_stopping(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.up("a")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(process, "mark_stopping", full)
    lab.engine().stop(["a"], lab.said.append)
    assert lab.state("a") == ("stopped", "")


def test_the_last_of_a_kind_whose_others_have_died_is_not_waited_for(lab: Lab) -> None:
    lab.alone, lab.changes = 0.3, {"b": {"HOLD": str(lab.root / "never")}}
    lab.up()
    lab.engine().signal("a", signal.SIGKILL)
    lab.engine().stop(["a", "b"], lab.said.append)
    assert lab.said[-1].startswith("b did not stop in 0 s and is killed")


def test_one_whose_others_go_on_running_takes_its_time(lab: Lab) -> None:
    held = lab.root / "held"
    lab.alone, lab.changes = 0.01, {"a": {"HOLD": str(held)}}
    lab.up()
    release = threading.Timer(0.5, held.touch)
    release.start()
    lab.engine().stop(["a"], lab.said.append)
    release.join()
    assert not any("killed" in words for words in lab.said)


SAVER = """
import os, signal, socket, sys, time
signal.signal(signal.SIGTERM, lambda *_: None)
own = socket.create_server(("127.0.0.1", int(sys.argv[1])))
began = time.monotonic()
while not os.path.exists(sys.argv[2]) and time.monotonic() - began < 60:
    time.sleep(0.01)
"""


def save(lab: Lab, owner: str, made: str | None) -> tuple[psutil.Process, Path]:
    """Start a JVM's stand-in that saves a cache until a file is there, at the port of the service a; return both."""
    caches = lab.root / "cache" / "messaging-backbone" / "aot"
    caches.mkdir(parents=True)
    if made:
        (caches / made).touch()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    lab.listens = [f"127.0.0.1:{port}"]
    done = lab.root / "done"
    flags = (f"-XX:AOTCacheOutput={caches / 'a.aot'}", f"-javaagent:jmx.jar=a:{port}:x.yml")
    saver = process.spawn(
        (sys.executable, "-c", SAVER, str(port), str(done), *flags),
        env={},
        cwd=lab.root,
        output=lab.root / "saver.log",
        record=lab.root / "saver.json",
        log=lab.root / "saver.log",
        owner=owner.format(lab.root),
    )
    found = psutil.Process(saver.pid)
    wait_until(lambda: process.listeners(found), what="the port", timeout=30, interval=0.01)
    return found, done


@pytest.mark.parametrize(("owner", "made"), [("{}::a", "a.aot.config"), ("{}::a", "a.aot"), ("/other::kafka-1", None)])
def test_a_start_waits_for_the_port_that_the_saver_of_a_cache_holds(owner: str, made: str | None, lab: Lab) -> None:
    found, done = save(lab, owner, made)
    assert lab.state("a") == ("stopped", "")

    def say(words: str) -> None:
        lab.said.append(words)
        if "holds" in words:
            done.touch()

    lab.engine().start(["a"], say)
    assert process.has_ended(found)
    assert any("saves a start-up cache" in words for words in lab.said)
    assert lab.pid("a")


def test_the_folders_of_a_jvm_that_saves_a_cache_are_not_removed_before_it_has(lab: Lab) -> None:
    found, done = save(lab, "{}::a", "a.aot.config")
    (lab.root / "data" / "a").mkdir(parents=True)
    ended: list[bool] = []

    def say(words: str) -> None:
        if "saves a start-up cache" in words:
            done.touch()
        if words.startswith("removing"):
            ended.append(process.has_ended(found))

    lab.engine().remove_data(say)
    assert ended
    assert all(ended)


def test_what_waits_itself_may_boot_early_when_every_node_has_its_topics(lab: Lab) -> None:
    lab.topics, lab.nodes = ["journal", "events"], ("a", "c")
    assert lab.engine().early(["a", "b", "c"]) == []
    for folder in (lab.root / "data" / "a", lab.root / "data" / "c"):
        for name in ("journal-0", "journal-1", "eventsx-0"):
            (folder / name).mkdir(parents=True)
        assert lab.engine().early(["a", "b", "c"]) == [], "one is missing"
        (folder / "events-0").mkdir()
    assert lab.engine().early(["a", "b", "c"]) == ["b"]
    assert replace(lab.engine(), overlap=False).early(["a", "b", "c"]) == []


def test_what_waits_for_one_node_may_boot_early_always(lab: Lab) -> None:
    lab.topics, lab.nodes = ["journal"], ("a",)
    assert lab.engine().early(["a", "b"]) == ["b"]
