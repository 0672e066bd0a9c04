"""Every query of the dashboards has data on a live stack, asked of the Prometheus that its Grafana asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from backbone import clients
from backbone.stack import groups
from backbone.wait import wait_until
from tests.docker import prometheus, records
from tests.validate.test_dashboards import QUERIES

if TYPE_CHECKING:
    from backbone.stack.engine import Stack

_SEEN_S = 90  # a rate wants two scrapes after the first record


@pytest.fixture(scope="module")
def used(docker_stack: Stack) -> Stack:
    """Return the stack with records written, read, and a group that is behind."""
    topic, values = records.produce(docker_stack.bootstrap, 300)
    assert records.read(docker_stack.bootstrap, topic, len(values)) == values
    with clients.admin(docker_stack.bootstrap) as client:
        groups.reset(client, "dashboards", [groups.Move(topic, number, None, 1) for number in range(3)])
    return docker_stack


@pytest.mark.parametrize("key", QUERIES, ids=" ".join)
def test_every_query_has_data(used: Stack, key: tuple[str, str]) -> None:
    found = wait_until(
        lambda: prometheus.query(used, QUERIES[key]), what=f"data of {QUERIES[key]}", timeout=_SEEN_S, interval=1
    )
    assert all(series["value"][1] != "NaN" for series in found)
