"""A clone beside a stack: its files and a snapshot's data, nothing of the stack's own, and gone afterwards."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from backbone.errors import StackError
from backbone.snapshots import operations
from backbone.source import env_file
from backbone.stack import home
from backbone.stack.engine import open_stack
from backbone.stack.settings import Settings, ensure_env_file
from backbone.upgrade import clone, rehearsal
from scripts.maintain import kafka_version
from tests import ROOT

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

DATA = ("kafka", "kafka-1", "kept")


def downloads(files: int, total: int) -> AbstractContextManager[object]:
    del files, total
    return nullcontext(lambda _count: None)


@pytest.fixture
def origin(tmp_path: Path) -> Settings:
    """A stack that does not run, with a snapshot of its data, which has changed since."""
    root, elsewhere = tmp_path / "home", tmp_path / "disk"
    home.write(root, home.copies(ROOT, root))
    kafka_version.begin_with(root, "4.3.1")
    found = Settings(root, {"XDG_DATA_HOME": str(tmp_path / "xdg"), "DEFAULT_MESSAGE_BROKER_DIR": str(elsewhere)})
    ensure_env_file(found)
    elsewhere.joinpath(*DATA).parent.mkdir(parents=True)
    elsewhere.joinpath(*DATA).write_text("then", encoding="utf-8")
    stack = open_stack(found, ["*"], "embedded", downloads)
    operations.save(stack, "before", timeout=1, progress=lambda _: None, watch=lambda _: None)
    elsewhere.joinpath(*DATA).write_text("now", encoding="utf-8")
    return found


def test_a_clone_has_the_snapshots_data_and_ports_of_its_own_and_is_gone_afterwards(
    origin: Settings, tmp_path: Path
) -> None:
    manifest = rehearsal.choose(operations.of(origin), "", "4.4.0")
    with clone.beside(origin, manifest, downloads, lambda _: None) as made:
        root = made.settings.root
        assert root.parent == origin.state_dir
        assert (root / "data" / "messaging").joinpath(*DATA).read_text(encoding="utf-8") == "then"
        mine, theirs = env_file.read(made.settings.env_file, {}), env_file.read(origin.env_file, {})
        ports = {name for name in theirs if name.endswith("_PORT")}
        assert {mine[name] for name in ports}.isdisjoint(theirs[name] for name in ports)
        assert (mine["CLUSTER_ID"], mine["KAFKA_VERSION"]) == (manifest.identity.cluster_id, made.version)
        assert sorted(made.open().model.services) == ["kafka-1", "kafka-2", "kafka-3"]
    assert not root.exists()
    assert (tmp_path / "disk").joinpath(*DATA).read_text(encoding="utf-8") == "now"


def test_what_a_killed_one_has_left_is_removed_first(origin: Settings) -> None:
    left = origin.state_dir / clone.FOLDER / "left"
    left.parent.mkdir()
    left.touch()
    manifest = rehearsal.choose(operations.of(origin), "before", "4.4.0")
    with clone.beside(origin, manifest, downloads, lambda _: None):
        assert not left.exists()


def test_a_compose_file_that_names_the_stacks_own_folder_is_refused(origin: Settings, tmp_path: Path) -> None:
    file = origin.root / "infra/05-messaging/kafka/docker-compose.yml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("${DEFAULT_MESSAGE_BROKER_DIR", f"{tmp_path}/disk${{NOTHING"), encoding="utf-8")
    manifest = rehearsal.choose(operations.of(origin), "", "4.4.0")
    with (
        pytest.raises(StackError, match="a clone would write where this stack has its data"),
        clone.beside(origin, manifest, downloads, lambda _: None),
    ):
        pass
    assert not (origin.state_dir / clone.FOLDER).exists()


def test_there_has_to_be_a_snapshot_of_an_older_kafka(origin: Settings) -> None:
    store = operations.of(origin)
    with pytest.raises(StackError, match=r"written by Kafka 4\.3\.1 already"):
        rehearsal.choose(store, "before", "4.3.1")
    store.remove("before")
    with pytest.raises(StackError, match="there is none") as refused:
        rehearsal.choose(store, "", "4.4.0")
    assert (refused.value.hint or "").startswith("./invoke snapshot save")
