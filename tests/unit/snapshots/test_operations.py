"""Saving and restoring a stack: in which order, and what is refused before anything is touched."""

from __future__ import annotations

import errno
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from backbone.errors import StackError
from backbone.snapshots import cut, operations, sparse, store
from backbone.snapshots.manifest import Manifest
from backbone.stack.engine.base import Stack
from backbone.stack.settings import Settings
from tests.fakes import FakeEngine, model

if TYPE_CHECKING:
    from pathlib import Path


def quiet(_: object) -> None:
    pass


def unseen(snapshot: object) -> None:
    pass


def services(root: Path, cluster: str) -> dict[str, dict[str, Any]]:
    def mount(name: str, target: str) -> dict[str, object]:
        return {"type": "bind", "source": str(root / "data" / name), "target": target}

    nodes = {
        f"kafka-{number}": {
            "image": "messaging-backbone/kafka:4.3.1",
            "x-embedded": {"runtime": "kafka"},
            "environment": {"CLUSTER_ID": cluster, "KAFKA_NODE_ID": str(number)},
            "volumes": [mount(f"kafka-{number}", "/data")],
        }
        for number in (1, 2)
    }
    secrets = {"type": "bind", "source": str(root / "secrets"), "target": "/run/secrets", "read_only": True}
    database = {
        "image": "postgres:18.4",
        "x-embedded": {"runtime": "postgres"},
        "environment": {"POSTGRES_USER": "me", "POSTGRES_DB": "db"},
        "volumes": [mount("postgres", "/var/lib/postgresql"), secrets],
    }
    return {**nodes, "postgres": database, "registry": {"x-embedded": {"runtime": "registry"}}}


def made(root: Path, cluster: str = "ours") -> tuple[Stack, FakeEngine]:
    """Return a stack with data."""
    engine = FakeEngine(model(**services(root, cluster)))
    if not (root / "data").exists():
        for name in ("kafka-1", "kafka-2", "postgres"):
            (root / "data" / name).mkdir(parents=True)
            (root / "data" / name / "content").write_text("old", encoding="utf-8")
    (root / "secrets").mkdir(exist_ok=True)
    (root / "secrets" / "postgres_password").write_text("word", encoding="utf-8")
    (root / ".env").write_text(f"CLUSTER_ID={cluster}\n", encoding="utf-8")
    return Stack(Settings(root, {}), engine.model, engine), engine


def write(root: Path, text: str) -> None:
    for name in ("kafka-1", "kafka-2", "postgres"):
        (root / "data" / name / "content").write_text(text, encoding="utf-8")


def contents(root: Path) -> list[str]:
    return [path.read_text(encoding="utf-8") for path in sorted((root / "data").glob("*/content"))]


def save(stack: Stack, name: str = "one", *, secrets: bool = False) -> None:
    operations.save(stack, name, timeout=9, progress=quiet, watch=unseen, secrets=secrets)


def restore(stack: Stack, name: str = "one") -> None:
    operations.restore(stack, name, timeout=9, progress=quiet, watch=unseen)


def test_what_runs_is_stopped_for_the_copy_and_runs_again(tmp_path: Path) -> None:
    stack, engine = made(tmp_path)
    engine.start(["kafka-1", "registry"], quiet)
    engine.done.clear()
    save(stack)
    assert engine.done[:2] == ["stop kafka-1", "stop registry"]
    assert engine.done[-2:] == ["start kafka-1", "start registry"]
    engine.done.clear()
    write(tmp_path, "new")
    restore(stack)
    assert contents(tmp_path) == ["old"] * 3
    assert engine.done[-2:] == ["start kafka-1", "start registry"]
    assert "kafka-2" not in engine.looks


def test_what_runs_is_started_again_when_the_copy_fails(tmp_path: Path) -> None:
    stack, engine = made(tmp_path)
    engine.start(["kafka-1"], quiet)
    (tmp_path / "data" / "kafka-2" / "odd").symlink_to("/")
    with pytest.raises(StackError, match="snapshot-file"):
        save(stack)
    assert list(engine.looks) == ["kafka-1"]


def test_the_rest_of_a_save_that_was_killed_is_cleared(tmp_path: Path) -> None:
    stack, engine = made(tmp_path)
    operations.clear(stack.settings, quiet)
    assert not engine.done
    rest = operations.of(stack.settings).folder / ".one.partial"
    (rest / "data").mkdir(parents=True)
    operations.clear(stack.settings, quiet)
    assert not rest.exists()
    save(stack)


def test_what_the_disk_refuses_is_told_in_words_and_what_ran_runs_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack, engine = made(tmp_path)
    save(stack)
    engine.start(["kafka-1"], quiet)
    write(tmp_path, "now")

    def full(*_: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device", "file")

    monkeypatch.setattr(sparse, "copy", full)
    with pytest.raises(StackError, match="snapshot-copy"):
        save(stack, "two")
    with pytest.raises(StackError, match="snapshot-copy"):
        restore(stack)
    assert list(engine.looks) == ["kafka-1"]
    assert contents(tmp_path) == ["now"] * 3
    assert operations.of(stack.settings).names() == ["one"]
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["kafka-1", "kafka-2", "postgres"]


def test_the_database_is_told_to_take_the_password_of_this_home(tmp_path: Path) -> None:
    stack, _ = made(tmp_path)
    save(stack)
    restore(stack)
    assert (tmp_path / "data" / "postgres" / ".new-password").exists()
    assert not (tmp_path / "data" / "kafka-1" / ".new-password").exists()


def test_secrets_come_along_on_request_only(tmp_path: Path) -> None:
    stack, _ = made(tmp_path)
    word = tmp_path / "secrets" / "postgres_password"
    save(stack, "without")
    save(stack, "with", secrets=True)
    word.write_text("later", encoding="utf-8")
    restore(stack, "without")
    assert word.read_text(encoding="utf-8") == "later"
    restore(stack, "with")
    assert word.read_text(encoding="utf-8") == "word"
    assert not (tmp_path / "data" / "postgres" / ".new-password").exists()


def test_without_data_there_is_nothing_to_save(tmp_path: Path) -> None:
    stack, _ = made(tmp_path)
    for path in (tmp_path / "data").glob("*/content"):
        path.unlink()
    with pytest.raises(StackError, match="nothing-to-save"):
        save(stack)


@pytest.mark.parametrize(
    ("change", "reference"),
    [
        ({"cluster_id": "theirs"}, "snapshot-foreign"),
        ({"nodes": {"kafka-1": "1", "kafka-2": "3"}}, "snapshot-foreign"),
        ({"nodes": {"kafka-1": "1"}}, "snapshot-foreign"),
        ({"parts": ("kafka-1", "kafka-2")}, "snapshot-foreign"),
        ({"postgres": "17 me db"}, "snapshot-foreign"),
        ({"postgres": "18 you db"}, "snapshot-foreign"),
        ({"kafka": "4.3.2"}, "snapshot-newer"),
        ({"kafka": "4.10.0"}, "snapshot-newer"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_touched(
    change: dict[str, Any], reference: str, tmp_path: Path
) -> None:
    stack, engine = made(tmp_path)
    engine.start(["kafka-1"], quiet)
    with operations.of(stack.settings).new("one") as folder:
        entries = store.take(cut.folders(stack), folder, quiet)
        identity = replace(cut.identity(stack), **change)
        entries = tuple(each for each in entries if each.path.partition("/")[0] in identity.parts)
        store.seal(
            Manifest("one", "", "", "fake", identity, None, secrets=False, entries=entries),
            folder,
        )
    write(tmp_path, "now")
    engine.done.clear()
    with pytest.raises(StackError) as refused:
        restore(stack)
    assert refused.value.reference == reference
    assert engine.done == []
    assert contents(tmp_path) == ["now"] * 3


def test_a_snapshot_of_one_node_is_refused_with_the_way_to_run_it(tmp_path: Path) -> None:
    stack, _ = made(tmp_path)
    ours = cut.identity(stack)
    one = replace(ours, nodes={"kafka-1": "1"}, parts=("kafka-1", "postgres"))
    lite = Manifest("one", "", "", "fake", one, None, secrets=False, entries=())
    for any_cluster in (False, True):
        with pytest.raises(StackError, match="snapshot-foreign") as refused:
            cut.check(lite, stack, any_cluster=any_cluster)
        assert (refused.value.hint or "").splitlines() == [
            "./invoke snapshot export one one.tar.zst",
            "./invoke up --lite --name restored --from one.tar.zst",
        ]
    theirs = replace(lite, identity=replace(ours, postgres="18 you db"))
    with pytest.raises(StackError, match="snapshot-foreign") as refused:
        cut.check(theirs, stack, any_cluster=True)
    assert "POSTGRES_USER" in (refused.value.hint or "")


def test_a_damaged_one_leaves_the_stack_running_and_nothing_beside_the_data(tmp_path: Path) -> None:
    stack, engine = made(tmp_path)
    save(stack)
    engine.start(["kafka-1"], quiet)
    (stack.settings.state_dir / "snapshots" / "one" / "data" / "postgres" / "content").write_text("x", encoding="utf-8")
    write(tmp_path, "now")
    with pytest.raises(StackError, match="snapshot-damaged"):
        restore(stack)
    assert engine.done[-1] == "take over 3"
    assert contents(tmp_path) == ["now"] * 3
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["kafka-1", "kafka-2", "postgres"]


def test_another_configuration_is_said_and_no_reason_to_refuse(tmp_path: Path) -> None:
    stack, engine = made(tmp_path)
    save(stack)
    moved = services(tmp_path, "ours")
    moved["kafka-1"]["environment"]["KAFKA_HEAP_OPTS"] = "-Xmx1g"
    said: list[str] = []
    other = Stack(stack.settings, model(**moved), engine)
    operations.restore(other, "one", timeout=9, progress=said.append, watch=unseen)
    assert said[0] == "saved under another configuration (ports, versions or settings) of kafka-1"


def test_a_home_without_data_becomes_the_cluster_of_a_file(tmp_path: Path) -> None:
    stack, _ = made(tmp_path / "here")
    save(stack)
    operations.of(stack.settings).export("one", tmp_path / "file", quiet)
    other, _ = made(tmp_path / "there", "theirs")
    operations.bring(other.settings, tmp_path / "file", quiet)
    with pytest.raises(StackError, match="data-exists"):
        operations.adopt(other, "one", quiet)
    assert (tmp_path / "there" / ".env").read_text(encoding="utf-8") == "CLUSTER_ID=theirs\n"
    for path in (tmp_path / "there" / "data").glob("*/content"):
        path.unlink()
    operations.adopt(other, "one", quiet)
    assert contents(tmp_path / "there") == ["old"] * 3
    assert (tmp_path / "there" / ".env").read_text(encoding="utf-8") == "CLUSTER_ID=ours\n"


def test_a_home_without_data_becomes_the_kafka_of_a_file_too(tmp_path: Path) -> None:
    stack, _ = made(tmp_path / "here")
    save(stack)
    operations.of(stack.settings).export("one", tmp_path / "file", quiet)
    later = services(tmp_path / "there", "ours")
    for name in ("kafka-1", "kafka-2"):
        later[name]["image"] = "messaging-backbone/kafka:4.4.0"
    (tmp_path / "there" / "infra").mkdir(parents=True)
    (tmp_path / "there" / ".env").write_text("CLUSTER_ID=ours\nKAFKA_VERSION=4.4.0\n", encoding="utf-8")
    other = Stack(Settings(tmp_path / "there", {}), model(**later), FakeEngine(model(**later)))
    lock = json.dumps({"sets": {"kafka@4.3.1": {"roots": [], "files": []}}, "files": {}})
    (tmp_path / "there" / "infra" / "artifacts.lock.json").write_text(lock, encoding="utf-8")
    operations.bring(other.settings, tmp_path / "file", quiet)
    operations.adopt(other, "one", quiet)
    assert "KAFKA_VERSION=4.3.1\n" in other.settings.env_file.read_text(encoding="utf-8")


@dataclass(frozen=True)
class Disk:
    free: int


def test_a_disk_that_does_not_take_the_copy_is_told_before_anything_stops(tmp_path: Path) -> None:
    stack, engine = made(tmp_path)
    (tmp_path / "data" / "kafka-1" / "segment").write_bytes(b"x" * (2 << 20))
    operations.demand_room(stack, lambda _: Disk(2 << 30))
    with pytest.raises(StackError, match=r"a snapshot needs 2 MiB, and 1025 MiB are free"):
        operations.demand_room(stack, lambda _: Disk(1025 << 20))
    assert engine.done == []
