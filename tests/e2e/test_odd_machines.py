"""Odd machines and bad days on real brokers: one start where all that is odd comes together, and what befalls it.

What the machine is like is real: mounts in a namespace of each task, its umask, its limits, its locale.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from backbone import clients
from backbone.stack.engine.embedded import process
from backbone.wait import wait_until
from tests import ROOT
from tests.e2e import checkout
from tests.e2e.checkout import BROKERS, Checkout

if TYPE_CHECKING:
    from collections.abc import Iterator

ASCII = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""}
# What is to stay executable is bound to itself before /tmp, which it may lie in, is not.
MACHINE = """
home=$1; shift
for place in "$@"; do [ "$place" = -- ] && break; mount --bind "$place" "$place"; done
while [ "$1" != -- ]; do shift; done; shift
mount --rbind /tmp /tmp && mount -o remount,bind,noexec,nosuid /tmp
mount --bind "$home" "$home" && mount -o remount,bind,ro "$home"
umask 077
ulimit -n 1024
exec "$@"
"""


@pytest.fixture(scope="module")
def odd(cache: Path) -> Iterator[Checkout]:
    """Brokers that run: HOME is read-only, /tmp noexec, umask 077, 1,024 files, all ASCII but the folder's name."""
    with tempfile.TemporaryDirectory(prefix="odd-") as made:
        home = Path(made) / "home"
        own = home / ".cache" / "messaging-backbone"
        shutil.copytree(cache / "messaging-backbone" / "repository", own / "repository", copy_function=os.link)
        plain = checkout.make(Path(made) / "für Kafka", cache, shift=checkout.free_shift(), brokers_only=True)
        user = () if os.geteuid() == 0 else ("--map-root-user",)
        kept = (str(plain.root), str(ROOT), sys.prefix, sys.base_prefix)
        wrap = ("unshare", *user, "--mount", "sh", "-ec", MACHINE, "machine", str(home), *kept, "--")
        environ = {**ASCII, "PYTHONOPTIMIZE": "2", "HOME": str(home), "XDG_CACHE_HOME": ""}
        stack = Checkout(plain.root, own.parent, environ, wrap)
        stack.run("up")
        yield stack
        stack.end()


def test_it_runs_where_everything_is_odd(odd: Checkout) -> None:
    said = odd.run("status")
    assert (said.stdout + said.stderr).isascii()
    assert odd.json("status")["ok"]
    # The broker compresses it again: its library is unpacked into a folder and loaded from there.
    odd.run("topics", "create", "zipped", "--set", "compression.type=zstd")
    assert "smoke: PASS" in odd.run("smoke", "--records", "50").stdout
    checks = {each["check"]: each["findings"] for each in odd.json("doctor", code=None)["checks"]}
    assert checks["D058"], "HOME is read-only"
    assert odd.brokers().keys() == set(BROKERS)


def test_a_paused_broker_goes_on(odd: Checkout) -> None:
    os.kill(odd.pids()["kafka-2"], signal.SIGSTOP)
    assert "paused" in odd.run("status", code=1).stdout
    assert "kafka-2 was paused and goes on" in odd.run("up").stderr
    assert odd.json("status")["ok"]


def test_killed_brokers_are_started_again(odd: Checkout) -> None:
    for pid in odd.brokers().values():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not list(process.orphans(f"{odd.root}::")), what="their end", timeout=30)
    assert odd.run("status", code=1).stdout.count("died") == len(BROKERS)
    odd.run("up")
    assert "zipped" in {topic["name"] for topic in odd.json("topics", "list")}


def test_a_home_that_was_moved_has_its_data_and_a_copy_of_it_is_another(fresh: Checkout, tmp_path: Path) -> None:
    fresh.run("up")
    fresh.run("topics", "create", "kept")
    with closing(clients.producer(fresh.json("endpoints")["KAFKA_BOOTSTRAP_SERVERS"].split(","))) as producer:
        for number in range(50):
            producer.send("kept", str(number).encode()).get(timeout=30)
    before = fresh.json("snapshot", "fingerprint")
    fresh.run("down")
    moved = Checkout(fresh.root.rename(tmp_path / "a new place"), fresh.cache)
    moved.run("up")
    try:
        assert moved.json("snapshot", "fingerprint") == before
        pids = moved.pids()
        copy = Checkout(tmp_path / "a copy", fresh.cache)
        shutil.copytree(moved.root, copy.root, ignore=shutil.ignore_patterns("data", "tmp"))
        assert copy.pids() == {}
        checks = {each["check"]: each["findings"] for each in copy.json("doctor", code=None)["checks"]}
        assert str(moved.root) in checks["D057"][0]["evidence"]
        assert "port-in-use" in copy.run("up", code=4).stderr
        copy.run("down")
        assert moved.pids() == pids
    finally:
        moved.run("down")


@pytest.mark.parametrize(
    ("environ", "code", "says"),
    [
        ({"POSTGRES_PORT": "tcp://10.0.0.1:5432"}, 2, "POSTGRES_PORT is set in this shell"),
        ({"KAFKA_2_EXTERNAL_PORT": "99999"}, 2, "KAFKA_2_EXTERNAL_PORT is set in this shell"),
        ({"BIND_ADDRESS": "::1"}, 2, "is no IPv4 address"),
        ({"KAFKA_HEAP_OPTS": '-Xmx512m "'}, 2, "KAFKA_HEAP_OPTS"),
        ({"XDG_CACHE_HOME": "/proc/nowhere"}, 4, "/proc/nowhere"),
    ],
)
def test_what_cannot_be_is_named(fresh_brokers: Checkout, environ: dict[str, str], code: int, says: str) -> None:
    fresh_brokers.environ = environ
    assert says in fresh_brokers.run("up", code=code).stderr
    assert not list(process.orphans(f"{fresh_brokers.root}::"))


def test_too_few_files_are_named(fresh_brokers: Checkout) -> None:
    few = Checkout(fresh_brokers.root, fresh_brokers.cache, wrap=("sh", "-c", 'ulimit -n 256; exec "$@"', "few"))
    assert "`ulimit -n` is 256" in few.run("up", code=4).stderr


@pytest.fixture
def fresh(tmp_path: Path, cache: Path) -> Checkout:
    """A checkout that its test stops."""
    return checkout.make(tmp_path / "checkout", cache, shift=checkout.free_shift(), brokers_only=True)


@pytest.fixture(scope="module")
def fresh_brokers(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Checkout:
    """A checkout that never starts."""
    return checkout.make(tmp_path_factory.mktemp("never"), cache, shift=checkout.free_shift(), brokers_only=True)
