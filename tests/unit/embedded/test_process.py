from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil
import pytest

from backbone.stack.engine.embedded import process
from backbone.stack.engine.embedded.process import Identity, LogMark, Record
from backbone.stack.engine.embedded.stopping import saves_cache
from backbone.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIFETIME = "120"  # seconds: far more than any test takes; each test ends what it started


@dataclass
class Spawner:
    """Starts processes below a folder and ends them after the test."""

    folder: Path
    started: list[Identity] = field(default_factory=list)

    def __call__(self, *argv: str, name: str = "kafka-1", owner: str | None = None, **env: str) -> Identity:
        identity = process.spawn(
            argv or ("sleep", LIFETIME),
            env={"PATH": os.environ["PATH"], **env},
            cwd=self.folder,
            output=self.output,
            record=self.record(name),
            log=self.log,
            owner=owner or f"{self.folder}::{name}",
        )
        self.started.append(identity)
        return identity

    @property
    def output(self) -> Path:
        return self.folder / "output.log"

    @property
    def log(self) -> Path:
        return self.folder / "service.log"

    def record(self, name: str) -> Path:
        return self.folder / name / "process.json"


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Spawner]:
    spawner = Spawner(tmp_path)
    yield spawner
    for identity in spawner.started:
        if found := process.find(identity):
            found.kill()
            end(identity)


def end(identity: Identity) -> None:
    """Wait until a process has ended, and collect it."""

    def gone() -> bool:
        process.reap(identity.pid)
        return process.find(identity) is None

    wait_until(gone, what=f"the end of {identity}", timeout=30, interval=0.01)


def test_starts_a_process_and_writes_down_who_it_is(spawn: Spawner) -> None:
    identity = spawn()
    assert process.read(spawn.record("kafka-1")) == Record(identity, log=LogMark(0, 0))
    found = process.find(identity)
    assert found is not None
    # The kernel shows no arguments for a moment after exec.
    assert wait_until(found.cmdline, what="its arguments", timeout=30, interval=0.01) == ["sleep", LIFETIME]
    assert [path.name for path in spawn.record("kafka-1").parent.iterdir()] == ["process.json"]


def test_a_process_has_its_own_session_folder_environment_and_output(spawn: Spawner) -> None:
    spawn.output.write_text("of an earlier run\n", encoding="utf-8")
    code = "import os; print(os.getcwd(), os.getsid(0) == os.getpid(), sorted(os.environ), os.read(0, 1), flush=True)"
    identity = spawn(sys.executable, "-c", code, EXTRA="1", LC_ALL="C")
    end(identity)
    said = spawn.output.read_text(encoding="utf-8")
    assert said.startswith(f"{spawn.folder} True ")
    assert "'EXTRA'" in said
    assert f"'{process.OWNER}'" in said
    assert "'HOME'" not in said
    assert said.rstrip().endswith("b''")


def test_a_process_that_ended_is_not_found(spawn: Spawner) -> None:
    identity = spawn("true")
    end(identity)
    assert process.find(identity) is None


def test_a_zombie_does_not_run(spawn: Spawner) -> None:
    identity = spawn("true")
    wait_until(
        lambda: psutil.Process(identity.pid).status() == psutil.STATUS_ZOMBIE,
        what="a zombie",
        timeout=30,
        interval=0.01,
    )
    assert process.find(identity) is None


def test_a_pid_that_is_anothers_now_is_not_found(spawn: Spawner) -> None:
    identity = spawn()
    assert process.find(Identity(identity.pid, f"{identity.started}1")) is None
    assert process.find(identity) is not None


def test_a_step_of_the_wall_clock_makes_nobody_another(spawn: Spawner, monkeypatch: pytest.MonkeyPatch) -> None:
    identity = spawn()
    before = process.uptime(psutil.Process(identity.pid))
    now = time.time
    monkeypatch.setattr(psutil._pslinux, "boot_time", lambda: now() + 3600)  # noqa: SLF001 - what a step does to it
    monkeypatch.setattr(time, "time", lambda: now() + 7200)
    assert process.find(identity) is not None
    assert process.uptime(psutil.Process(identity.pid)) - before < 60


def test_knows_what_was_started_before_this_boot(spawn: Spawner) -> None:
    identity = spawn()
    assert process.of_this_boot(identity)
    assert not process.of_this_boot(Identity(identity.pid, "boot 0f1e tick 7"))


def test_what_was_told_to_stop_keeps_the_mark_of_its_log(spawn: Spawner) -> None:
    spawn.log.write_text("of an earlier start\n", encoding="utf-8")
    identity = spawn()
    process.mark_stopping(spawn.record("kafka-1"), identity)
    known = process.read(spawn.record("kafka-1"))
    assert known == Record(identity, stopping=True, log=LogMark(spawn.log.stat().st_ino, 20))


SOUND = '{"identity": {"pid": 1, "started": "x"}, "stopping": false, "log": null}'


def test_the_record_that_the_others_are_made_from_is_sound(tmp_path: Path) -> None:
    record = tmp_path / "process.json"
    record.write_text(SOUND, encoding="utf-8")
    assert process.read(record) == Record(Identity(1, "x"))


@pytest.mark.parametrize(
    "text",
    [
        *(None, "", "{", "[]", "7", "null", '"x"', '{"pid": 1}', "[" * 100_000, "\0"),
        *(SOUND.replace(": 1,", f": {pid},") for pid in ("-1", "0", "true", '"1"', "1.0", "1e400", str(1 << 80), "[]")),
        *(SOUND.replace('"x"', started) for started in ("1", "null", "{}")),
        *(SOUND.replace('false, "log": null', f'false, "log": {log}') for log in ("7", "[]", "true", '{"inode": 1}')),
    ],
)
def test_a_record_that_cannot_be_read_counts_as_none(tmp_path: Path, text: str | None) -> None:
    record = tmp_path / "process.json"
    if text is not None:
        record.write_text(text, encoding="utf-8")
    assert process.read(record) is None


def test_finds_orphans_by_the_owner_they_carry_and_takes_them_back(spawn: Spawner) -> None:
    lost = spawn(name="kafka-1")
    spawn(name="kafka-2", owner="/another/checkout::kafka-2")
    spawn.record("kafka-1").unlink()
    orphans = dict(process.orphans(f"{spawn.folder}::"))
    assert orphans == {f"{spawn.folder}::kafka-1": lost}
    process.adopt(spawn.record("kafka-1"), Record(lost))
    assert process.read(spawn.record("kafka-1")) == Record(lost)


def test_only_a_recorder_whose_service_has_ended_saves_its_cache(spawn: Spawner) -> None:
    def jvm(flag: str) -> psutil.Process:
        found = psutil.Process(spawn(sys.executable, "-c", f"import time; time.sleep({LIFETIME})", flag).pid)
        # Until the new program has taken the process over, its command line is the old one's.
        wait_until(lambda: flag in found.cmdline(), what="the program", timeout=30, interval=0.01)
        return found

    cache = spawn.folder / "kafka.aot"
    user, recorder = jvm(f"-XX:AOTCache={cache}"), jvm(f"-XX:AOTCacheOutput={cache}")
    assert not saves_cache(user)
    assert not saves_cache(recorder), "it has only just been started"
    cache.with_name("kafka.aot.config").touch()
    assert not saves_cache(user)
    assert saves_cache(recorder)


LISTENER = (
    "import socket, sys, time; own = socket.socket(); own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); "
    "own.bind(('127.0.0.1', int(sys.argv[1]))); own.listen(); time.sleep(120)"
)


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("-javaagent:/a b/jmx.jar=kafka-1:{port}:/jmx/kafka.yml", True),
        ("-javaagent:/a b/jmx.jar={port}:/jmx/kafka.yml", True),
        ("-javaagent:/a b/jmx.jar=kafka-1:1:/jmx/kafka.yml", False),
        ("-Dport={port}", False),
    ],
)
def test_a_recorder_whose_agent_still_listens_has_ended_one_that_listens_otherwise_has_not(
    flag: str, expected: bool, spawn: Spawner
) -> None:
    cache = spawn.folder / "kafka.aot"
    cache.with_name("kafka.aot.config").touch()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    argv = (sys.executable, "-c", LISTENER, str(port), f"-XX:AOTCacheOutput={cache}", flag.format(port=port))
    found = psutil.Process(spawn(*argv).pid)
    wait_until(lambda: process.listeners(found), what="the port", timeout=30, interval=0.01)
    assert saves_cache(found) is expected


def test_children_of_a_service_are_no_orphans(spawn: Spawner) -> None:
    parent = spawn("sh", "-c", f"sleep {LIFETIME} & echo $!; wait")
    child = int(
        wait_until(
            lambda: spawn.output.read_text(encoding="utf-8").strip(), what="the child", timeout=30, interval=0.01
        )
    )
    try:
        assert [identity for _, identity in process.orphans(f"{spawn.folder}::")] == [parent]
    finally:
        os.kill(child, signal.SIGKILL)


def test_sends_signals(spawn: Spawner) -> None:
    identity = spawn()
    found = process.find(identity)
    assert found is not None
    process.send(found, signal.SIGSTOP)
    wait_until(lambda: found.status() == psutil.STATUS_STOPPED, what="the stop", timeout=30, interval=0.01)
    process.send(found, signal.SIGCONT)
    wait_until(lambda: found.status() != psutil.STATUS_STOPPED, what="the continuation", timeout=30, interval=0.01)
    process.send(found, signal.SIGTERM)
    end(identity)


def test_a_signal_to_a_process_that_has_just_ended_is_no_error(spawn: Spawner) -> None:
    identity = spawn()
    found = process.find(identity)
    assert found is not None
    found.kill()
    end(identity)
    process.send(found, signal.SIGTERM)
    assert process.find(identity) is None


def test_reaping_what_is_no_child_is_no_error() -> None:
    process.reap(1)
    assert psutil.pid_exists(1)


def test_a_process_outlives_the_one_that_started_it(spawn: Spawner) -> None:
    code = (
        "import sys; from pathlib import Path; from backbone.stack.engine.embedded import process\n"
        "folder = Path(sys.argv[1])\n"
        f"process.spawn(['sleep', '{LIFETIME}'], env={{'PATH': '/usr/bin:/bin'}}, cwd=folder,"
        " output=folder / 'o', record=folder / 'process.json', log=folder / 'l', owner='x::y')\n"
    )
    argv = [sys.executable, "-W", "error", "-c", code, str(spawn.folder)]
    done = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    known = process.read(spawn.folder / "process.json")
    assert known is not None
    spawn.started.append(known.identity)
    assert process.find(known.identity) is not None


def test_knows_what_a_process_listens_on_and_who_has_a_port() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert ("127.0.0.1", port) in process.listeners(psutil.Process())
        assert f"pid {os.getpid()} (" in process.port_owner(port)
    assert process.port_owner(port) == "a process of another user"


def test_a_port_of_a_service_is_told_by_the_services_name(spawn: Spawner) -> None:
    code = (
        "import socket, time\nserver = socket.create_server(('127.0.0.1', 0))\n"
        f"print(server.getsockname()[1], flush=True)\ntime.sleep({LIFETIME})"
    )
    identity = spawn(sys.executable, "-c", code)
    port = wait_until(lambda: spawn.output.read_text(encoding="utf-8"), what="the port", timeout=30, interval=0.01)
    assert process.port_owner(int(port)) == f"pid {identity.pid} ({spawn.folder}::kafka-1)"


def test_of_two_that_have_a_port_at_different_addresses_the_one_at_the_address_is_meant() -> None:
    code = (
        "import socket, sys\nserver = socket.create_server(('127.0.0.12', int(sys.argv[1])))\n"
        "print('on', flush=True)\nserver.accept()"
    )
    with socket.create_server(("127.0.0.11", 0)) as mine:
        port = mine.getsockname()[1]
        with subprocess.Popen([sys.executable, "-c", code, str(port)], stdout=subprocess.PIPE) as other:
            try:
                assert other.stdout
                assert other.stdout.readline() == b"on\n"
                found = {host: process.listens_on(port, host) for host in ("127.0.0.11", "127.0.0.12", "127.0.0.13")}
                assert {host: each and each.pid for host, each in found.items()} == {
                    "127.0.0.11": os.getpid(),
                    "127.0.0.12": other.pid,
                    "127.0.0.13": None,
                }
            finally:
                other.kill()
