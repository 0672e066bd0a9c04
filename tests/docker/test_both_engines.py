"""What a user may rely on is the same on both engines: one suite, run on each. So are the brokers' properties."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

from kafka.admin import ConfigResource, ConfigResourceType

from backbone import clients
from backbone.stack import health, lifecycle
from tests.docker import records
from tests.docker.conftest import UP_TIMEOUT_S, quiet

if TYPE_CHECKING:
    from backbone.stack.engine import Stack

DATA = "/var/lib/kafka/data"
DIFFERENCES = {
    "listeners": "a 0.0.0.0 bind becomes the published address",
    "advertised.listeners": "the two checkouts of this test use different ports",
    "controller.quorum.voters": "the two checkouts of this test use different ports",
    "log.dirs": "a container's mount point is the mounted folder itself",
}


def test_three_brokers_are_registered_and_every_partition_is_whole(stack: Stack) -> None:
    found = health.probe(stack.bootstrap)
    assert found is not None
    assert found.brokers == (1, 2, 3)
    assert found.missing(3) == ""


def test_up_again_changes_nothing(stack: Stack) -> None:
    before = [state.identity for state in stack.engine.states(list(stack.brokers))]
    _up(stack)
    assert [state.identity for state in stack.engine.states(list(stack.brokers))] == before


def test_records_survive_the_restart_of_a_broker(stack: Stack) -> None:
    topic, sent = records.produce(stack.bootstrap, 300)
    lifecycle.restart(stack, "kafka-2", timeout=UP_TIMEOUT_S, progress=print, watch=quiet)
    assert records.read(stack.bootstrap, topic, len(sent)) == sent


def test_a_killed_broker_loses_nothing_and_heals(stack: Stack) -> None:
    topic, sent = records.produce(stack.bootstrap, 200)
    stack.engine.signal("kafka-3", signal.SIGKILL)
    (dead,) = stack.engine.states(["kafka-3"])
    assert dead.phase == "exited"
    sent |= records.produce(stack.bootstrap, 200, topic)[1]
    _up(stack)
    assert records.read(stack.bootstrap, topic, len(sent)) == sent


def test_down_is_clean_and_up_finds_the_data(stack: Stack) -> None:
    topic, sent = records.produce(stack.bootstrap, 100)
    said: list[str] = []
    lifecycle.down(stack, said.append)
    assert {state.phase for state in stack.engine.states(list(stack.brokers))} == {"stopped"}
    closed = [folder for folder in data_folders(stack) if (folder / ".kafka_cleanshutdown").exists()]
    # The last of three may lose its quorum before it has leave to go (busy machine): it is ended, and that is said.
    assert len(closed) + sum("killed" in line for line in said) == 3, said
    _up(stack)
    assert records.read(stack.bootstrap, topic, len(sent)) == sent


def test_both_engines_give_the_brokers_the_same_properties(docker_stack: Stack, embedded_stack: Stack) -> None:
    for broker in (1, 2, 3):
        docker, embedded = (effective(stack, broker) for stack in (docker_stack, embedded_stack))
        assert len(docker) > 150
        differing = {key for key in docker | embedded if docker.get(key) != embedded.get(key)}
        assert differing <= set(DIFFERENCES), {key: (docker.get(key), embedded.get(key)) for key in differing}


def effective(stack: Stack, broker: int) -> dict[str, str]:
    """Return every property of a broker as the cluster itself reports it."""
    with clients.admin(stack.bootstrap) as client:
        asked = [ConfigResource(ConfigResourceType.BROKER, str(broker))]
        described = client.describe_configs(asked, config_filter="all")["broker"][str(broker)]
    return {name: str(entry["value"]) for name, entry in described.items()}


def data_folders(stack: Stack) -> list[Path]:
    """Return the log directory of each broker on this machine."""
    mounts = [mount for name in stack.brokers for mount in stack.model[name].mounts]
    return [Path(mount.source) for mount in mounts if mount.target == DATA]


def _up(stack: Stack) -> None:
    lifecycle.up(stack, timeout=UP_TIMEOUT_S, progress=print, watch=quiet)
