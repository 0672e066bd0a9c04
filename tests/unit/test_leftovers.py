"""What a task has made is written down until it is gone, and taken away by the next one if the task was killed."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from kafka.errors import UnknownTopicOrPartitionError

from backbone import client_properties, clients
from backbone.errors import StackError
from backbone.stack import leftovers
from backbone.stack.leftovers import NO_LEDGER, Ledger, Trace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOPIC = Trace("topic", "smoke-1", ("127.0.0.1:1",), "smoke")
ROWS = Trace("rows", "archive-1", ("127.0.0.1:5432", "events", "archive"), "archive")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "state" / "leftovers")


@dataclass
class Cluster:
    """Has topics; refuses everything while it is down."""

    topics: set[str] = field(default_factory=set)
    down: bool = False

    def delete_topics(self, names: list[str]) -> None:
        for name in names:
            if name not in self.topics:
                raise UnknownTopicOrPartitionError(name)
            self.topics.remove(name)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    made = Cluster()

    @contextmanager
    def admin(_: Any, **__: Any) -> Iterator[Cluster]:
        if made.down:
            raise StackError("no-broker", "nobody answers")
        yield made

    monkeypatch.setattr(clients, "admin", admin)
    return made


def killed(ledger: Ledger, *traces: Trace) -> None:
    """Let another process note traces and end without striking them."""
    code = (
        "import sys; from pathlib import Path; from backbone.stack.leftovers import Ledger, Trace\n"
        f"[Ledger(Path(sys.argv[1])).note(one) for one in {traces!r}]"
    )
    subprocess.run([sys.executable, "-c", code, str(ledger.folder)], check=True, timeout=60)


def test_what_a_running_task_has_made_is_its_own(ledger: Ledger, cluster: Cluster) -> None:
    cluster.topics = {"smoke-1"}
    ledger.note(TOPIC)
    assert ledger.orphaned() == []
    leftovers.clear(ledger, print)
    assert cluster.topics == {"smoke-1"}


def test_what_a_killed_task_has_made_is_taken_away(ledger: Ledger, cluster: Cluster) -> None:
    cluster.topics = {"smoke-1", "kept"}
    killed(ledger, TOPIC, ROWS)
    assert ledger.orphaned() == [ROWS, TOPIC]
    said: list[str] = []
    leftovers.clear(ledger, said.append)
    assert cluster.topics == {"kept"}
    assert said == ["removed topic smoke-1 of smoke, which was killed"]
    assert ledger.orphaned() == [ROWS], "rows are for the task that knows the table"


def test_who_takes_it_away_logs_in_as_it_was_made(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "client.properties"
    login = (
        'sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username="a" password="b";'
    )
    file.write_text(f"security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\n{login}\n", encoding="utf-8")
    monkeypatch.setenv(client_properties.CONFIG, str(file))
    theirs = Trace("topic", "smoke-2", ("theirs:9093",), "smoke")
    killed(ledger, TOPIC, theirs)
    monkeypatch.delenv(client_properties.CONFIG)
    shown: dict[str, Any] = {}

    @contextmanager
    def admin(where: tuple[str, ...], **settings: Any) -> Iterator[Cluster]:
        shown[where[0]] = settings["security_protocol"], settings.get("sasl_plain_username")
        yield Cluster({"smoke-1", "smoke-2"})

    monkeypatch.setattr(clients, "admin", admin)
    leftovers.clear(ledger, print)
    assert shown == {"127.0.0.1:1": ("PLAINTEXT", None), "theirs:9093": ("SASL_SSL", "a")}
    file.unlink()
    killed(ledger, theirs)
    said: list[str] = []
    leftovers.clear(ledger, said.append)
    assert str(file) in said[0]


def test_what_is_gone_already_is_forgotten(ledger: Ledger, cluster: Cluster) -> None:
    killed(ledger, TOPIC)
    leftovers.clear(ledger, print)
    assert ledger.orphaned() == []
    assert cluster.topics == set()


def test_what_cannot_be_taken_away_now_stays_written_down(ledger: Ledger, cluster: Cluster) -> None:
    killed(ledger, TOPIC)
    cluster.down = True
    said: list[str] = []
    leftovers.clear(ledger, said.append)
    assert said == ["topic smoke-1 of smoke is left, and cannot be removed now: nobody answers"]
    assert ledger.orphaned() == [TOPIC]


@pytest.mark.parametrize(
    "text",
    ["", "[]", "7", "{}", "[" * 100_000, '{"kind": "disk", "name": "x", "where": [], "task": "t", "by": {}}', "\0"],
)
def test_an_entry_of_nonsense_is_none(ledger: Ledger, text: str) -> None:
    assert ledger.folder
    ledger.folder.mkdir(parents=True)
    (ledger.folder / "topic-x.json").write_text(text, encoding="utf-8")
    assert ledger.orphaned() == []


def test_an_entry_that_a_killed_task_had_begun_is_swept_away_and_a_new_one_is_not(ledger: Ledger) -> None:
    assert ledger.folder
    ledger.folder.mkdir(parents=True)
    old, new = ledger.folder / "topic-a.json.partial", ledger.folder / "topic-b.json.partial"
    for file in (old, new):
        file.write_text("{", encoding="utf-8")
    os.utime(old, (1, 1))
    leftovers.clear(ledger, print)
    assert (old.exists(), new.exists()) == (False, True)


def test_a_disk_that_takes_no_words_hinders_nobody(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way", encoding="utf-8")
    ledger = Ledger(tmp_path / "state")
    ledger.note(TOPIC)
    ledger.strike(TOPIC)
    assert ledger.orphaned() == []


def test_without_a_folder_nothing_is_kept_account_of(cluster: Cluster) -> None:
    cluster.topics = {"smoke-1"}
    NO_LEDGER.note(TOPIC)
    assert NO_LEDGER.orphaned() == []
    leftovers.take_away(NO_LEDGER, TOPIC)
    assert cluster.topics == set()
