"""The brokers of both engines run with the same effective properties, a named list of differences apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kafka.admin import ConfigResource, ConfigResourceType

from backbone import clients

if TYPE_CHECKING:
    from backbone.stack.engine import Stack

DIFFERENCES = {
    "listeners": "a 0.0.0.0 bind becomes the published address",
    "advertised.listeners": "the two checkouts of this test use different ports",
    "controller.quorum.voters": "the two checkouts of this test use different ports",
    "log.dirs": "a container's mount point is the mounted folder itself",
}


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
