"""What the pages show, of a stack and a cluster that are made up."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest
import requests

from backbone.errors import StackError
from backbone.failover.entries import FaultBegun, Healed
from backbone.failover.journal import Journal
from backbone.security import access as access_rules
from backbone.security.access import Rule
from backbone.snapshots import operations
from backbone.snapshots.manifest import Identity, Manifest
from backbone.snapshots.store import seal
from backbone.stack.engine import open_stack
from backbone.stack.health import PartitionState
from backbone.stack.settings import Settings
from backbone.web.desk import Desk
from backbone.web.figures import Exporters
from tests import ROOT, fakes
from tests.unit.web.served import EVIL, ORDERS, MadeUp, served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from backbone.web.guard import Access

TIMEOUT_S = 10


class Visitor:
    """Somebody with a browser, with the token or without."""

    def __init__(self, access: Access, *, trusted: bool) -> None:
        self._port = access.port
        self._session = requests.Session()
        if trusted:
            self._session.get(access.url, timeout=TIMEOUT_S)

    def get(self, path: str, *, moving: bool = False, status: int = HTTPStatus.OK) -> str:
        headers = {"HX-Request": "true"} if moving else {}
        answer = self._session.get(f"http://127.0.0.1:{self._port}{path}", headers=headers, timeout=TIMEOUT_S)
        assert answer.status_code == status, answer.text
        return answer.text

    def do(self, name: str, page: str, *, status: int = HTTPStatus.OK, **fields: str) -> str:
        """Post a form with the token that a page carries."""
        token = re.search(r'name="token" value="([^"]+)"', page)
        data = {"token": token[1] if token else "", **fields}
        answer = self._session.post(f"http://127.0.0.1:{self._port}/do/{name}", data=data, timeout=TIMEOUT_S)
        assert answer.status_code == status, answer.text
        return answer.text


@pytest.fixture
def engine() -> fakes.FakeEngine:
    services: dict[str, Any] = {
        "kafka-1": fakes.PLAIN,
        "registry": {**fakes.PLAIN, "depends_on": {"kafka-1": {}}},
        "grafana": {},
    }
    return fakes.FakeEngine(fakes.model(**services), needs=0)


@pytest.fixture
def cluster() -> MadeUp:
    return MadeUp(["127.0.0.1:1"])


@pytest.fixture
def access(tmp_path: Path, engine: fakes.FakeEngine, cluster: MadeUp) -> Iterator[Access]:
    with served(Desk(cluster, fakes.stack(tmp_path, engine))) as found:
        yield found


def test_the_first_page_shows_services_cluster_and_who_waits_for_whom(access: Access, engine: fakes.FakeEngine) -> None:
    engine.start(["kafka-1"], lambda _: None)
    page = Visitor(access, trusted=False).get("/")
    assert "every partition has its leader and all replicas in sync" in page
    assert "Docker only: grafana" in page
    assert re.search(r'href="/services/kafka-1".*?healthy', page, re.DOTALL)
    assert re.search(r'href="/services/registry".*?stopped', page, re.DOTALL)
    assert page.count("<path d=") == 1


def test_the_moving_part_comes_alone(access: Access) -> None:
    part = Visitor(access, trusted=False).get("/", moving=True)
    assert "every partition" in part
    assert "<html" not in part


@pytest.mark.parametrize(
    ("partition", "words"),
    [
        (PartitionState("orders", 0, -1, (1, 2, 3), (), 2), "1 partitions offline"),
        (PartitionState("orders", 0, 1, (1, 2, 3), (1,), 2), "1 partitions refuse acks=all (under min ISR)"),
        (PartitionState("orders", 0, 1, (1, 2, 3), (1, 2), 2), "1 partitions under-replicated"),
    ],
)
def test_the_worst_is_said_first(access: Access, cluster: MadeUp, partition: PartitionState, words: str) -> None:
    cluster.partitions = (ORDERS, partition)
    assert words in Visitor(access, trusted=False).get("/")


def test_a_cluster_that_is_gone_is_shown_and_asked_again(access: Access, cluster: MadeUp) -> None:
    cluster.lost = "no broker answers at 127.0.0.1:1"
    assert cluster.lost in Visitor(access, trusted=False).get("/", moving=True)


def test_many_visitors_cost_one_look(access: Access, cluster: MadeUp) -> None:
    visitor = Visitor(access, trusted=False)
    for _ in range(5):
        visitor.get("/", moving=True)
    assert len(cluster.asked) <= 2, "a look holds for a moment"


def test_only_who_came_by_the_printed_address_is_offered_changes(access: Access, engine: fakes.FakeEngine) -> None:
    engine.start(["kafka-1"], lambda _: None)
    assert "<button" not in Visitor(access, trusted=False).get("/")
    assert access.token not in Visitor(access, trusted=False).get("/")
    assert "restart" in Visitor(access, trusted=True).get("/")


def test_the_lists_show_groups_and_lag(access: Access) -> None:
    page = Visitor(access, trusted=False).get("/topics")
    assert re.search(r'href="/topics/orders".*?12<.*?3<.*?2 KiB.*?billing</a> 5', page, re.DOTALL)


def test_names_are_never_markup(access: Access) -> None:
    page = Visitor(access, trusted=False).get("/groups")
    assert EVIL not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_a_service_shows_the_end_of_its_log_and_is_restarted(access: Access, engine: fakes.FakeEngine) -> None:
    engine.start(["kafka-1", "registry"], lambda _: None)
    visitor = Visitor(access, trusted=True)
    page = visitor.get("/services/kafka-1")
    assert "kafka-1 line 199 False" in page
    assert "kafka-1 is back" in visitor.do("restart", page, service="kafka-1")
    assert engine.done[-2:] == ["stop kafka-1", "start kafka-1"]


@pytest.mark.parametrize("path", ["/services/nothing", "/topics/nothing", "/groups/nothing"])
def test_what_is_not_there_is_said_in_a_sentence(access: Access, path: str) -> None:
    assert "there is no" in Visitor(access, trusted=False).get(path, status=HTTPStatus.BAD_REQUEST)


def test_a_form_that_lacks_a_field_is_refused(access: Access, engine: fakes.FakeEngine) -> None:
    engine.start(["kafka-1"], lambda _: None)
    visitor = Visitor(access, trusted=True)
    assert "'service'" in visitor.do("restart", visitor.get("/"), status=HTTPStatus.BAD_REQUEST)


@pytest.mark.parametrize("path", ["/contracts", "/dead-letters", "/doctor", "/connectors", "/access", "/services/x"])
def test_a_cluster_elsewhere_is_only_looked_at(cluster: MadeUp, path: str) -> None:
    with served(Desk(cluster)) as access:
        visitor = Visitor(access, trusted=True)
        page = visitor.get("/")
        assert "<button" not in page
        assert "Connectors" not in page
        if path != "/connectors":
            assert "only looked at" in visitor.get(path, status=HTTPStatus.BAD_REQUEST)
        assert "only looked at" in visitor.do(
            "restart", f'name="token" value="{access.token}"', status=HTTPStatus.BAD_REQUEST, service="x"
        )


def test_the_fault_of_the_moment_stands_on_the_first_page(access: Access, tmp_path: Path) -> None:
    folder = tmp_path / "results" / "failover" / "20260131-120000" / "run-1"
    folder.mkdir(parents=True)
    written = Journal(folder / "run.jsonl")
    written.write(FaultBegun(3, "kill", "leader (broker 2)", [2], quorum_lost=False))
    visitor = Visitor(access, trusted=False)
    assert "fault 3: kill of leader (broker 2), for 0 s" in visitor.get("/", moving=True)
    written.write(Healed(3))
    assert "leader (broker 2), undone, the cluster recovers" in visitor.get("/", moving=True)
    written.close()
    assert "fault" not in visitor.get("/", moving=True)


def test_snapshots_are_listed_with_the_words_that_bring_them_back(access: Access, tmp_path: Path) -> None:
    visitor = Visitor(access, trusted=True)
    assert "Nothing was saved yet" in visitor.get("/snapshots")
    store = operations.of(fakes.stack(tmp_path, fakes.FakeEngine(fakes.model())).settings)
    identity = Identity("c", {}, ("kafka-1",), "4.3.1", "", {})
    saved = Manifest("monday", "2026-01-31T12:00:00+00:00", "1", "embedded", identity, 30, secrets=True, entries=())
    with store.new("monday") as folder:
        seal(saved, folder)
    (store.folder / "torn").mkdir()
    (store.folder / "torn" / "manifest.json").write_text("{")
    page = visitor.get("/snapshots")
    assert re.search(r"monday.*2026-01-31T12:00:00.*4\.3\.1.*kafka-1, passwords and keys", page, re.DOTALL)
    assert "./invoke snapshot restore monday" in page
    assert "torn" in page
    assert "<button" not in page


def test_a_lite_stack_has_a_console_without_connect() -> None:
    """Asked of this checkout's own Compose files, as a stack of one node."""
    lite = open_stack(Settings(ROOT, {"STACK_SIZE": "lite"}), ["*"], "embedded", lambda _files, _total: None)
    desk = Desk.of(lite)
    assert desk.worker is None
    assert desk.watch is not None
    assert [list(each.targets) for each in desk.watch.sources if isinstance(each, Exporters)] == [["kafka-1"]]
    with served(Desk(MadeUp(["127.0.0.1:1"]), lite)) as access:
        visitor = Visitor(access, trusted=False)
        assert "This stack has no Connect" in visitor.get("/connectors")
        assert "No connector of this stack has dead letters" in visitor.get("/dead-letters")


@dataclass(slots=True)
class Guarded(MadeUp):
    """A cluster with rules; None: its brokers ask nobody for leave."""

    rules: list[Rule] | None = None

    def ask(self, question: Callable[[Any], Any]) -> Any:  # noqa: ARG002 - it has no client to ask by
        if self.rules is None:
            raise StackError("no-authorizer", "the brokers ask nobody for leave: they have no authorizer")
        return self.rules


def test_access_shows_the_rules_and_what_is_not_as_the_file_says(tmp_path: Path, engine: fakes.FakeEngine) -> None:
    file = tmp_path / access_rules.FILE
    file.parent.mkdir(parents=True)
    file.write_text("users: {orders: {login: password, may: [{do: [read, write], topics: [orders*]}]}}")
    read, write = (Rule("orders", "topic", "orders", "prefixed", verb) for verb in ("read", "write"))
    with served(Desk(Guarded(["127.0.0.1:1"], rules=[read]), fakes.stack(tmp_path, engine))) as access:
        page = Visitor(access, trusted=False).get("/access")
    assert re.search("orders</th><td>password</td><td>read</td><td>topic</td><td>orders\\*", page)
    assert "1 rules are not as access.yml has them" in page
    assert f"<li>allow {write}" in page
    with served(Desk(Guarded(["127.0.0.1:1"], rules=[write, read]), fakes.stack(tmp_path, engine))) as access:
        assert "and nothing else" in Visitor(access, trusted=False).get("/access")


def test_a_cluster_that_asks_nobody_for_leave_says_so(tmp_path: Path, engine: fakes.FakeEngine) -> None:
    with served(Desk(Guarded(["127.0.0.1:1"]), fakes.stack(tmp_path, engine))) as access:
        page = Visitor(access, trusted=False).get("/access")
    assert "Everybody may do everything" in page
    assert "KAFKA_SECURITY=secure" in page


@pytest.mark.parametrize("name", ["%2e%2e%2f%2e%2e", "%2fetc", "nothing"])
def test_no_other_file_can_be_asked_for(access: Access, name: str) -> None:
    visitor = Visitor(access, trusted=False)
    assert "report" in visitor.get(f"/results/{name}", status=HTTPStatus.NOT_FOUND)
