"""Other people's tests on one stack: four workers beside each other, and a run that is killed."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import psutil
import pytest

from backbone import clients
from backbone.events.archive import database
from backbone.events.contracts.registry import Registry
from backbone.lease_names import prefix_of
from backbone.stack import endpoints, groups
from backbone.stack.settings import Settings
from backbone.wait import wait_until
from tests.e2e import checkout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.checkout import Checkout

WORKERS, TESTS = 4, 100
SUITE = """
import json, time
from pathlib import Path
import pytest
from backbone.lease_names import prefix_of

@pytest.fixture(autouse=True)
def timed(backbone, request):
    began = time.monotonic()
    request.getfixturevalue("lease")
    with Path("leased").open("a") as out:
        out.write(f"{time.monotonic() - began}\\n")

@pytest.mark.parametrize("number", range(%(tests)d))
def test_one(number, backbone, lease):
    topic = lease.topic("orders")
    lease.produce(topic, f"{number}")
    (record,) = lease.consume(topic, group=lease.group("readers"))
    assert record.value == f"{number}".encode()
    lease.await_lag(lease.group("readers"), 0)
    mine = {name for name in lease.admin.list_topics() if prefix_of(name) == lease.prefix}
    assert mine == {topic}
    if number %% 5 == 0:
        from backbone.events.contracts.registry import Registry
        Registry(backbone.registry_url).register(lease.subject(topic), json.dumps({"type": "string"}))
        with backbone.leases.database.connect() as connection:
            connection.execute(f"CREATE TABLE {lease.table('orders')} (id int)")
"""
HANGS = """
import time
from pathlib import Path

def test_that_is_killed(backbone, lease):
    lease.produce(lease.topic("orders"), "one")
    Path("begun").write_text(lease.prefix)
    time.sleep(600)
"""
ENDS = """
def test_that_ends(backbone, lease):
    assert lease.topic("orders")
"""
LITE = """
from backbone.events.contracts.registry import Registry

def test_that_needs_no_second_broker(backbone, lease):
    assert len(backbone.bootstrap.split(",")) == 1
    orders = lease.topic("orders", partitions=3)
    lease.produce(orders, "one", "two")
    assert len(lease.consume(orders, until=2, group=lease.group("readers"))) == 2
    lease.await_lag(lease.group("readers"), 0)
    assert Registry(backbone.registry_url).register(lease.subject(orders), '{"type": "string"}')
    assert "KAFKA_CONNECT_URL" not in backbone.env()
"""


@pytest.fixture
def home(tmp_path: Path, cache: Path) -> Iterator[Checkout]:
    made = checkout.make(tmp_path / "home", cache, shift=checkout.free_shift())
    yield made
    made.end()


def left(home: Checkout) -> list[str]:
    """Return everything on a running stack that has the form of a lease's name."""
    model = endpoints.model(Settings(home.root, home.env))
    with clients.admin(endpoints.bootstrap(model)) as client:
        names = [*client.list_topics(), *(each.name for each in groups.find(client))]
    names += Registry(endpoints.named(model, "schema-registry", "SCHEMA_REGISTRY_URL")).subjects()
    with database.of_stack(model, "events").connect() as connection:
        names += [str(name) for (name,) in connection.execute("SELECT tablename FROM pg_tables")]
    return [name for name in names if prefix_of(name)]


def test_four_workers_share_a_stack_and_leave_nothing(home: Checkout) -> None:
    home.run("up", "--profile", "messaging", "--profile", "data")
    running = home.pytest(SUITE % {"tests": TESTS}, "--numprocesses", str(WORKERS), "--backbone-profile", "data")
    assert f"{TESTS} passed" in checkout.ended(running)
    times = sorted(map(float, (home.root / "suite" / "leased").read_text(encoding="utf-8").split()))
    print(f"lease p50 {times[len(times) // 2]:.3f} s, p95 {times[int(len(times) * 0.95)]:.3f} s")  # noqa: T201 - a figure
    assert left(home) == []
    assert list((home.root / ".stack" / "leases").glob("*.json")) == []
    assert home.brokers(), "it ran before the tests"


def test_what_a_killed_run_leaves_goes_with_the_next(home: Checkout) -> None:
    killed = home.pytest(HANGS)
    wait_until((home.root / "suite" / "begun").exists, what="a test that has begun", timeout=240)
    prefix = (home.root / "suite" / "begun").read_text(encoding="utf-8")
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert home.brokers(), "nobody was there to stop it"
    services = [psutil.Process(pid) for pid in home.pids().values()]
    assert "1 passed" in checkout.ended(home.pytest(ENDS))
    assert home.pids() == {}, "the next run has stopped what the killed one had started"
    assert not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in services)
    assert list((home.root / ".stack" / "leases").glob("*.json")) == []
    home.run("up")
    model = endpoints.model(Settings(home.root, home.env))
    with clients.admin(endpoints.bootstrap(model)) as client:
        assert not [name for name in client.list_topics() if name.startswith(prefix)]


def test_a_lite_stack_has_the_api_and_is_not_the_home_of_the_folder(home: Checkout, tmp_path: Path) -> None:
    home.environ["XDG_DATA_HOME"] = str(tmp_path / "data")
    assert "1 passed" in checkout.ended(home.pytest(LITE, "--backbone-lite"))
    (own,) = (tmp_path / "data" / "messaging-backbone" / "stacks").glob("*-lite")
    assert "STACK_SIZE=lite" in (own / ".env").read_text(encoding="utf-8")
    assert home.pids() == {}
    home.environ["BACKBONE_HOME"] = str(own)
    assert home.pids() == {}
