"""plan, apply and the wait for running, against a worker over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from backbone.errors import ExitCode, StackError
from backbone.events.connectors.deployment import Change, apply, compare, troubles, validate, wait_running
from backbone.events.connectors.files import Connector
from backbone.events.connectors.worker import Worker
from tests.servers.connect import SINK, FakeWorker
from tests.servers.http import serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Clock:
    """Time that passes only when somebody waits."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def fake() -> FakeWorker:
    return FakeWorker()


@pytest.fixture
def worker(fake: FakeWorker) -> Iterator[Worker]:
    with serve(fake) as url:
        yield Worker(url, clock=Clock())


def connector(name: str = "archive", **config: str) -> Connector:
    return Connector(name, f"The {name}.", optional=False, config={"connector.class": SINK, **config})


def ignore(_: Change) -> None:
    """Progress that nobody looks at."""


def test_a_new_connector_is_created_and_a_second_apply_changes_nothing(worker: Worker, fake: FakeWorker) -> None:
    wanted = [connector(topics="events")]
    assert [change.kind for change in apply(wanted, wanted, worker, ignore)] == ["create"]
    assert fake.configs == {"archive": {"connector.class": SINK, "topics": "events"}}
    assert apply(wanted, wanted, worker, ignore) == ()


def test_an_update_names_every_setting_but_no_password(worker: Worker) -> None:
    worker.put("archive", {"connector.class": SINK, "topics": "a", "connection.password": "hunter2", "gone": "1"})
    wanted = [connector(topics="b", **{"connection.password": "${secrets:secrets:p}"})]
    (change,) = compare(wanted, wanted, worker)
    assert change == Change(
        "update", "archive", ("connection.password: differs", "gone: 1 → (not set)", "topics: a → b")
    )


def test_a_connector_that_git_does_not_know_is_shown_and_left(worker: Worker, fake: FakeWorker) -> None:
    worker.put("stranger", {"connector.class": SINK})
    assert [(change.kind, change.name) for change in compare([], [], worker)] == [("unknown", "stranger")]
    apply([], [], worker, ignore)
    assert "stranger" in fake.configs


def test_an_optional_connector_that_runs_is_no_stranger(worker: Worker) -> None:
    recipe = connector("recipe")
    worker.put("recipe", recipe.config)
    assert compare([], [recipe], worker) == ()


def test_what_the_plugin_refuses_is_said_before_anything_is_changed(worker: Worker, fake: FakeWorker) -> None:
    wanted = [connector(**{"batch.size": "many"})]
    with pytest.raises(StackError, match="connector-config") as caught:
        apply(wanted, wanted, worker, ignore)
    assert caught.value.context == "archive: batch.size: must be a number"
    assert fake.configs == {}


def test_a_missing_plugin_is_an_error_of_the_environment(worker: Worker, fake: FakeWorker) -> None:
    fake.plugins = ["org.example.Other"]
    with pytest.raises(StackError, match="plugin-missing") as caught:
        validate([connector()], worker)
    assert caught.value.exit_code is ExitCode.ENVIRONMENT
    assert "org.example.Other" in (caught.value.context or "")


def test_a_rebalance_is_waited_for(worker: Worker, fake: FakeWorker) -> None:
    fake.rebalances = 5
    assert worker.connectors() == ()


def test_a_rebalance_without_end_is_an_error(worker: Worker, fake: FakeWorker) -> None:
    fake.rebalances = 1000
    with pytest.raises(StackError, match="409"):
        worker.connectors()


def test_running_is_waited_for_while_the_worker_places_the_tasks(worker: Worker, fake: FakeWorker) -> None:
    worker.put("archive", {"connector.class": SINK})
    fake.pending = 3
    (state,) = wait_running(["archive"], worker, timeout=5, clock=Clock())
    assert state.running


def test_a_failed_task_ends_the_wait_with_its_trace(worker: Worker, fake: FakeWorker) -> None:
    worker.put("archive", {"connector.class": SINK})
    fake.traces["archive"] = "java.lang.Exception: no"
    (state,) = wait_running(["archive"], worker, timeout=5, clock=Clock())
    assert (state.failed, state.running, state.first_trace) == (True, False, "java.lang.Exception: no")
    worker.restart("archive")
    assert fake.restarted == ["archive"]
    assert wait_running(["archive"], worker, timeout=5, clock=Clock())[0].running


def test_a_failure_from_before_a_restart_is_no_news(worker: Worker, fake: FakeWorker) -> None:
    worker.put("archive", {"connector.class": SINK})
    fake.traces["archive"] = "java.lang.Exception: no"
    before = wait_running(["archive"], worker, timeout=5, clock=Clock())
    worker.restart("archive")
    fake.stale = 3
    assert wait_running(["archive"], worker, timeout=60, before=before, clock=Clock())[0].running


def test_the_same_failure_again_is_believed_in_the_end(worker: Worker, fake: FakeWorker) -> None:
    worker.put("archive", {"connector.class": SINK})
    fake.traces["archive"] = "java.lang.Exception: no"
    before = wait_running(["archive"], worker, timeout=5, clock=Clock())
    clock = Clock()
    assert wait_running(["archive"], worker, timeout=60, before=before, clock=clock) == before
    assert clock.now() >= 10


def test_what_never_runs_times_out_with_the_last_state(worker: Worker) -> None:
    with pytest.raises(StackError, match="timed-out") as caught:
        wait_running(["archive"], worker, timeout=5, clock=Clock())
    assert caught.value.context == "archive: not placed yet"


def test_no_worker_is_an_environment_error_with_a_remedy() -> None:
    with pytest.raises(StackError, match="connect-unreachable") as caught:
        Worker("http://127.0.0.1:9", timeout=2).connectors()
    assert caught.value.exit_code is ExitCode.ENVIRONMENT
    assert "refused" in (caught.value.context or "")


def test_what_lacks_the_database_and_what_has_failed_are_told_apart(worker: Worker, fake: FakeWorker) -> None:
    url = "${env:CONNECT_POSTGRES_JDBC_URL}?x=y"
    for name, config in (("sink", {"connection.url": url}), ("fine", {}), ("broken", {})):
        worker.put(name, {"connector.class": SINK, **config})
    fake.traces = {"sink": "no database", "broken": "a wrong setting"}
    lacking, failed = troubles(worker, database=False, clock=Clock())
    assert (lacking, [state.name for state in failed]) == (("sink",), ["broken"])
    lacking, failed = troubles(worker, database=True, clock=Clock())
    assert (lacking, [state.name for state in failed]) == ((), ["broken", "sink"])


def test_a_worker_without_connectors_has_no_troubles(worker: Worker) -> None:
    assert troubles(worker, database=False) == ((), ())


class Doorkeeper:
    """A worker that lets nobody in."""

    def answer(self, *_: object) -> tuple[int, object]:
        return 401, b"User cannot access the resource."


def test_a_worker_that_does_not_know_us_says_whose_file_is_wrong(tmp_path: Path) -> None:
    with serve(Doorkeeper()) as url:
        with pytest.raises(StackError, match="connect-password") as nobody:
            Worker(url).connectors()
        with pytest.raises(StackError, match="connect-password") as somebody:
            Worker(url, tmp_path / "connect/user").connectors()
    assert "--connect-user" in str(nobody.value.hint)
    assert str(tmp_path / "connect/user") in somebody.value.message
    assert somebody.value.exit_code == ExitCode.ENVIRONMENT
