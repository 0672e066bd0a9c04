"""A checkout of this repository as a user has it, with ports of its own, and the tasks run in it."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from backbone import console
from backbone.source import env_file
from backbone.stack import kafka_versions, settings
from backbone.stack.engine.embedded import artifacts
from backbone.stack.engine.embedded.engine import LOCK_FILE
from scripts.maintain import kafka_version
from tests import ROOT, outputs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TASK_TIMEOUT_S = 360
"""`failover --quick` on secure containers takes 180 s of it on two cores."""

REFUSED_S = 2.0
"""Within so long of its first knock at a door a task has said why it is refused, and is gone."""

START_S = 0.3
"""What `--version` takes on a machine that has time for it: one that takes longer may take as much longer to refuse."""

_TRIES = 3
_KNOCKS = """
import os, sys, time

def knock(event, arguments):
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        with open(os.environ["KNOCKS"], "a") as file:
            file.write(f"{time.monotonic()}\\n")

sys.addaudithook(knock)
"""
"""A sitecustomize.py that writes down when its process opens a connection (PEP 578), on the clock that all share."""
BROKERS = ("kafka-1", "kafka-2", "kafka-3")
KAFKA = os.environ.get(kafka_versions.VARIABLE) or env_file.read(ROOT / ".env.example", {})[kafka_versions.VARIABLE]
"""The Kafka that these tests are of: KAFKA_VERSION=4.3.1 nox -s e2e."""
KAFKA_JARS = f"kafka@{KAFKA}"
"""Its set of the lock."""


def classpath(name: str) -> str:
    """Return the jars of a set of the lock, which are downloaded if they are not there."""
    here = settings.Settings(ROOT)
    found = artifacts.ensure(artifacts.read_lock(ROOT / LOCK_FILE)[name], here.cache_dir, console.download)
    return ":".join(map(str, found))


@dataclass
class Checkout:
    """A copy of the tracked files. `run` starts a task with this Python; cache is the XDG cache it uses.

    wrap: the words before each task's.
    """

    root: Path
    cache: Path
    environ: dict[str, str] = field(default_factory=dict)
    wrap: tuple[str, ...] = ()

    @property
    def env(self) -> dict[str, str]:
        """The environment of its tasks: this one's, less what would change the answer."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("STACK_", "KAFKA_", "COMPOSE_"))}
        return kept | {"XDG_CACHE_HOME": str(self.cache), "STACK_ENGINE": "embedded"} | self.environ

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a task and return at once."""
        return subprocess.Popen(
            [*self.wrap, sys.executable, "-m", "invoke", *words],
            cwd=self.root,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def pytest(self, suite: str, *flags: str) -> subprocess.Popen[str]:
        """Start pytest here with a suite, as somebody would who has the plugin; in a session of its own."""
        folder = self.root / "suite"
        folder.mkdir(exist_ok=True)
        (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
        (folder / "test_suite.py").write_text(suite, encoding="utf-8")
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", "-p", "backbone.pytest_plugin", "-p", "no:cacheprovider", *flags],
            cwd=folder,
            env=self.env | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    @contextmanager
    def going(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """Start a task; kill it in the end if it still runs."""
        with self.start(*words) as process:
            try:
                yield process
            finally:
                process.kill()

    def run(self, *words: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run a task to its end and see that it exits with `code` and shows no traceback."""
        process = self.start(*words)
        out, err = process.communicate(timeout=TASK_TIMEOUT_S)
        assert "Traceback" not in err, err
        assert code is None or process.returncode == code, f"{words} exited {process.returncode}\n{out}\n{err}"
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def json(self, *words: str, code: int | None = 0) -> Any:
        """Run a task with --json and return what it prints, which is what the schema promises."""
        found = json.loads(self.run(*words, "--json", code=code).stdout)
        outputs.check(words, found)
        return found

    def refused(self, *words: str, code: int = 4) -> str:
        """Run a task that is refused, and return what it says within REFUSED_S.

        Counted from its first connection, so the start of Python is not the refusal's; the fastest of some tries, and
        longer where the machine has less time than usual for any task (START_S).
        """
        took: list[float] = []
        folder = self.root / "knocks"
        folder.mkdir(exist_ok=True)
        (folder / "sitecustomize.py").write_text(_KNOCKS, encoding="utf-8")
        watched = replace(self, environ={**self.environ, "PYTHONPATH": str(folder), "KNOCKS": str(folder / "times")})
        while len(took) < _TRIES:
            (folder / "times").unlink(missing_ok=True)
            said = watched.run(*words, code=code).stderr
            ended = time.monotonic()
            took.append(ended - float((folder / "times").read_text(encoding="ascii").split()[0]))
            if took[-1] <= REFUSED_S or took[-1] <= REFUSED_S * self._slowness():
                print(f"{' '.join(words[:2])}: refused within {took[-1]:.2f} s")  # noqa: T201 - shown with -s
                return said
        raise AssertionError(f"{words} said why after {took} s")

    def _slowness(self) -> float:
        """Return how many times as long as usual this machine takes for a task that asks nobody."""
        began = time.monotonic()
        self.run("--version")
        return max(1.0, (time.monotonic() - began) / START_S)

    def edit(self, name: str, old: str, new: str) -> None:
        """Change a file of the checkout."""
        path = self.root / name
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{old!r} is not in {name}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def end(self) -> None:
        """Stop whatever runs here, for nobody who looks at it afterwards: without the time for an orderly end."""
        self.run("nuke", "--yes", code=None)

    def pids(self) -> dict[str, int]:
        """Return service → pid of what runs."""
        services = self.json("status", code=None)["services"]
        return {row["name"]: row["pid"] for row in services if row["pid"]}

    def alive(self) -> list[int] | None:
        """Return the ids of the brokers that the cluster counts as alive; None while nobody there says so."""
        said = self.json("status", code=None)["cluster"]
        return list(said["brokers_registered"]) if said else None

    def brokers(self) -> dict[str, int]:
        """Return service → pid of the brokers that run."""
        return {name: pid for name, pid in self.pids().items() if name in BROKERS}


def ended(running: subprocess.Popen[str], timeout: float = 600) -> str:
    """Wait for the end of a suite that passes, and return what it said."""
    said, _ = running.communicate(timeout=timeout)
    assert running.returncode == 0, said
    return said


def make(folder: Path, cache: Path, *, shift: int, brokers_only: bool = False, kafka: str = KAFKA) -> Checkout:
    """Copy the tracked files into a new folder and move its ports; without the parts beside Kafka if asked.

    kafka: the version that new data begins with there.
    """
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
    if brokers_only:
        keep_brokers(folder / "docker-compose.yml")
    kafka_version.begin_with(folder, kafka)
    checkout = Checkout(folder, cache)
    settings.ensure_env_file(settings.Settings(root=folder))
    settings.shift_ports(folder / ".env", shift)
    return checkout


def keep_brokers(compose_file: Path) -> None:
    """Leave of the parts only Kafka: a fault needs no registry, and brokers alone start in half the time."""
    parts = re.split(r"(?m)^(?=  - path:|networks:)", compose_file.read_text(encoding="utf-8"))
    kept = [part for part in parts if "infra/" not in part or "/kafka/docker-compose.yml" in part]
    compose_file.write_text("".join(kept), encoding="utf-8")


def free_shift() -> int:
    """Return a number that moves every port of .env.example to a free one, elsewhere for each run of the tests."""
    ports = [int(value) for name, value in env_file.read(ROOT / ".env.example", {}).items() if name.endswith("_PORT")]
    # Below the ports that the kernel gives to clients (32768 and up), which come and go.
    room = 32768 - max(ports) - 1000
    candidates = (500 + (os.getpid() * 97 + step * 37) % room for step in itertools.count())
    return next(shift for shift in candidates if all(_free(port + shift) for port in ports))


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex(("127.0.0.1", port)) != 0
