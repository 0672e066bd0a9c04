"""Wrong moves and bad days: each ends with a clear message and its exit code, and the next `up` works."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from backbone.source import env_file
from backbone.stack.engine.embedded.process import owner
from backbone.stack.settings import new_cluster_id
from backbone.wait import wait_until
from tests.e2e import checkout
from tests.e2e.checkout import TASK_TIMEOUT_S, Checkout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NO_NETWORK = {"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": ""}
COMPOSE = "infra/05-messaging/kafka/docker-compose.yml"
BROKERS_JAR = f"org.apache.kafka:kafka-clients:jar:{checkout.KAFKA}"


@pytest.fixture
def fresh(tmp_path: Path, cache: Path) -> Iterator[Checkout]:
    made = checkout.make(tmp_path / "checkout", cache, shift=checkout.free_shift(), brokers_only=True)
    yield made
    made.end()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """The cache, with all that brokers need in it."""
    made = checkout.make(tmp_path_factory.mktemp("filling"), cache, shift=checkout.free_shift(), brokers_only=True)
    made.run("up")
    made.run("down")
    return cache


def some_process(made: Checkout) -> bool:
    return any((made.root / ".stack" / "embedded").glob("*/process.json"))


def test_data_survives_down_and_up(fresh: Checkout) -> None:
    fresh.run("up")
    fresh.run("topics", "create", "kept")
    down = fresh.run("down")
    assert "the data is kept" in down.stderr
    assert fresh.pids() == {}
    # The last of three may lose its quorum before it has leave to go (busy machine): it is ended, and that is said.
    clean = list((fresh.root / "data" / "messaging" / "kafka").glob("kafka-?/.kafka_cleanshutdown"))
    assert len(clean) + ("is killed" in down.stderr) == 3, down.stderr
    fresh.run("up")
    assert "kept" in [topic["name"] for topic in fresh.json("topics", "list")]


def test_a_changed_cluster_id_is_refused(fresh: Checkout) -> None:
    fresh.run("up")
    fresh.run("down")
    had = env_file.read(fresh.root / ".env", {})["CLUSTER_ID"]
    fresh.edit(".env", had, new_cluster_id())
    refused = fresh.run("up", code=4)
    assert "foreign-data" in refused.stderr
    assert f"CLUSTER_ID={had}" in refused.stderr
    assert fresh.pids() == {}


def test_nuke_asks_and_then_removes(fresh: Checkout) -> None:
    fresh.run("up")
    assert "not-confirmed" in fresh.run("nuke", code=2).stderr
    assert len(fresh.brokers()) == 3
    fresh.run("nuke", "--yes")
    assert not list((fresh.root / "data" / "messaging" / "kafka").glob("*"))


def test_a_taken_port_names_its_owner(fresh: Checkout) -> None:
    port = int(env_file.read(fresh.root / ".env", {})["KAFKA_2_EXTERNAL_PORT"])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        refused = fresh.run("up", code=4)
    assert f"127.0.0.1:{port} of kafka-2" in refused.stderr
    assert "ports --shift" in refused.stderr
    assert fresh.pids() == {}


def test_two_checkouts_run_side_by_side(fresh: Checkout, tmp_path: Path) -> None:
    fresh.run("up")
    second = checkout.make(tmp_path / "second", fresh.cache, shift=0, brokers_only=True)
    shutil.copy(fresh.root / ".env", second.root / ".env")
    refused = second.run("up", code=4)
    assert str(fresh.root) in refused.stderr
    assert "::kafka-1" in refused.stderr
    second.run("ports", "--shift", "500")
    try:
        second.run("up")
        assert len(second.brokers()) == len(fresh.brokers()) == 3
    finally:
        second.run("down")
    assert fresh.json("status")["ok"]


def test_two_ups_at_once_wait_for_each_other(fresh: Checkout) -> None:
    tasks = [fresh.start("up"), fresh.start("up")]
    said = [task.communicate(timeout=TASK_TIMEOUT_S)[1] for task in tasks]
    assert [task.returncode for task in tasks] == [0, 0], said
    assert any("waiting for it" in words for words in said)
    assert len(fresh.brokers()) == 3


def test_a_task_killed_in_the_middle_is_recovered(fresh: Checkout) -> None:
    task = fresh.start("up")
    wait_until(lambda: some_process(fresh), what="the first process", timeout=120)
    task.kill()
    task.communicate()
    fresh.run("up")
    assert fresh.json("status")["ok"]
    assert len(fresh.brokers()) == 3


def test_ctrl_c_leaves_nothing_running(fresh: Checkout) -> None:
    task = fresh.start("up")
    wait_until(lambda: some_process(fresh), what="the first process", timeout=120)
    task.send_signal(signal.SIGINT)
    words = task.communicate(timeout=TASK_TIMEOUT_S)[1]
    assert task.returncode == 130, words
    assert "Traceback" not in words
    assert fresh.pids() == {}


def test_lost_identities_are_found_again(fresh: Checkout) -> None:
    fresh.run("up")
    before = fresh.pids()
    (fresh.root / ".stack" / "embedded" / "kafka-2" / "process.json").unlink()
    (fresh.root / ".stack" / "embedded" / "kafka-3" / "process.json").write_text("{ not json")
    fresh.run("up")
    assert fresh.pids() == before


def test_a_dying_service_ends_the_wait_with_its_log(fresh: Checkout) -> None:
    fresh.edit(".env", "KAFKA_HEAP_OPTS=-Xms256m -Xmx512m", "KAFKA_HEAP_OPTS=-Xms256m -Xmx512m -XX:+NoSuchFlag")
    began = time.monotonic()
    died = fresh.run("up", code=4)
    assert "service-died" in died.stderr
    assert "NoSuchFlag" in died.stderr
    assert time.monotonic() - began < 60, "it waited for the timeout"


def test_a_broken_start_up_cache_stops_nothing(fresh: Checkout, tmp_path: Path) -> None:
    fresh.cache = copy_of_cache(fresh.cache, tmp_path)
    for _ in range(3):
        fresh.run("up")
        # A node that loses its quorum before it has leave to go (busy machine) is ended and leaves no cache: once more.
        if "is killed" not in (down := fresh.run("down").stderr):
            break
    caches = wait_until(lambda: whole_caches(fresh.cache), what=f"the start-up cache after {down}", timeout=120)
    size = caches[0].stat().st_size
    with caches[0].open("r+b") as file:
        file.truncate(size // 2)
    fresh.run("up")
    assert fresh.json("status")["ok"]


def whole_caches(cache: Path) -> list[Path]:
    folder = cache / "messaging-backbone" / "aot"
    return [] if list(folder.glob("*.config")) else list(folder.glob("kafka-*.aot"))


def copy_of_cache(cache: Path, folder: Path) -> Path:
    """Return a cache of its own with the same jars (hard links), which a test may damage."""
    copy = folder / "cache"
    shutil.copytree(cache / "messaging-backbone" / "repository", copy / "messaging-backbone" / "repository")
    return copy


def brokers_jar(cache: Path) -> Path:
    group, name, kind, version = BROKERS_JAR.split(":")
    folder = cache / "messaging-backbone" / "repository" / group.replace(".", "/") / name / version
    return folder / f"{name}-{version}.{kind}"


def test_a_cut_jar_is_fetched_again(fresh: Checkout, tmp_path: Path, filled: Path) -> None:
    fresh.cache = copy_of_cache(filled, tmp_path)
    with brokers_jar(fresh.cache).open("r+b") as file:
        file.truncate(1000)
    offline = Checkout(fresh.root, fresh.cache, NO_NETWORK).run("up", code=4)
    assert "download-failed" in offline.stderr
    assert "downloading 1 files" in fresh.run("up").stderr


def test_an_altered_lock_is_noticed(fresh: Checkout, tmp_path: Path, filled: Path) -> None:
    fresh.cache = copy_of_cache(filled, tmp_path)
    lock = fresh.root / "infra" / "artifacts.lock.json"
    altered = json.loads(lock.read_text())
    altered["files"][BROKERS_JAR]["sha256"] = "0" * 64
    lock.write_text(json.dumps(altered))
    refused = fresh.run("up", code=4)
    assert "checksum-mismatch" in refused.stderr
    assert not brokers_jar(fresh.cache).exists()


def test_a_filled_cache_needs_no_network(fresh: Checkout, filled: Path) -> None:
    offline = Checkout(fresh.root, filled, NO_NETWORK)
    offline.run("up")
    offline.run("down")


def test_an_empty_cache_without_network_says_so(fresh: Checkout, tmp_path: Path) -> None:
    refused = Checkout(fresh.root, tmp_path / "empty", NO_NETWORK).run("up", code=4)
    assert "download-failed" in refused.stderr
    assert "check the network" in refused.stderr


def test_a_folder_that_cannot_be_written(fresh: Checkout) -> None:
    fresh.edit(".env", "DEFAULT_MESSAGE_BROKER_DIR=./data/messaging", "DEFAULT_MESSAGE_BROKER_DIR=/proc/nowhere")
    refused = fresh.run("up", code=4)
    assert "folder-not-writable" in refused.stderr
    assert "DEFAULT_MESSAGE_BROKER_DIR" in refused.stderr


def test_a_disk_with_too_little_room(fresh: Checkout, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    fresh.edit(".env", "DEFAULT_MESSAGE_BROKER_DIR=./data/messaging", f"DEFAULT_MESSAGE_BROKER_DIR={small}")
    # A mount namespace of its own: the small disk is seen by this task alone and goes with it.
    inside = f"mount -t tmpfs -o size=64m tmpfs {small} && exec {sys.executable} -m invoke up"
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", inside],
        cwd=fresh.root,
        env=fresh.env,
        capture_output=True,
        text=True,
        check=False,
        timeout=TASK_TIMEOUT_S,
    )
    assert done.returncode == 4, done.stderr
    assert "disk-full" in done.stderr
    assert "1024 MiB are needed" in done.stderr


@pytest.mark.parametrize(
    ("file", "old", "new", "words", "says"),
    [
        (COMPOSE, 'KAFKA_NUM_PARTITIONS: "3"', "KAFKA_NUM_PARTITIONS: ${NOBODY_SETS_THIS}", ["up"], "NOBODY_SETS_THIS"),
        (COMPOSE, "services:\n", "services: [\n", ["up"], "compose-refused"),
        (
            "infra/05-messaging/kafka/topics.yml",
            "partitions: 3",
            "partitions: three",
            ["topics", "plan"],
            "$.topics[0]",
        ),
        (".env", "KAFKA_HEAP_OPTS=", "KAFKA HEAP_OPTS=", ["up"], "env-syntax"),
        (".env", "BIND_ADDRESS=", "BIND_ADDRESS=", ["up", "--profile", "mesaging"], "unknown-profile"),
        (".env", "BIND_ADDRESS=", "BIND_ADDRESS=", ["up", "--engine", "podman"], "unknown-engine"),
        (".env", "BIND_ADDRESS=", "BIND_ADDRESS=", ["smoke", "--bootstrap", "nonsense"], "bad-address"),
        (".env", "BIND_ADDRESS=", "BIND_ADDRESS=", ["topics", "fly"], "list, describe NAME"),
    ],
)
def test_wrong_input_is_named(fresh: Checkout, file: str, old: str, new: str, words: list[str], says: str) -> None:
    fresh.edit(file, old, new)
    assert says in fresh.run(*words, code=2).stderr


def test_no_broker_is_an_environment_error(fresh: Checkout) -> None:
    assert "no-broker" in fresh.run("smoke", code=4).stderr
    assert "no-broker" in fresh.run("topics", "list", code=4).stderr


@pytest.fixture(scope="module", autouse=True)
def leaves_no_process_behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    yield
    ours = str(tmp_path_factory.getbasetemp())
    wait_until(lambda: not owned(ours), what="the last start-up cache to be saved", timeout=60)


def owned(below: str) -> set[int]:
    """Return the processes that belong to a service of some checkout below a folder."""
    return {process.pid for process in psutil.process_iter() if owner(process).startswith(below)}
