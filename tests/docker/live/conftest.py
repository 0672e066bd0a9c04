"""A checkout with one broker whose disk can be filled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from backbone.stack.settings import Settings

_DISK = "small-disk"
_SIZE = "256m"  # in memory, and the broker's container may have 1280 MiB of it


@pytest.fixture(scope="session")
def docker_settings(docker_settings: Settings) -> Settings:
    """Give kafka-3 a disk of its own: a volume in memory, which all of the containers share that mount its folder."""
    root = docker_settings.compose_file
    model = yaml.safe_load(root.read_text(encoding="utf-8"))
    options = {"type": "tmpfs", "device": "tmpfs", "o": f"size={_SIZE}"}
    model["volumes"] = {_DISK: {"driver": "local", "driver_opts": options}}
    root.write_text(yaml.safe_dump(model), encoding="utf-8")
    overlays = docker_settings.root / "infra" / "05-messaging" / "security" / "plaintext"
    for name, services in (
        ("kafka", {"kafka-3": "/var/lib/kafka/data", "kafka-folders": "/folders/kafka-3"}),
        ("observability", {"node-exporter": "/kafka-3:ro"}),
    ):
        own = {service: {"volumes": [f"{_DISK}:{place}"]} for service, place in services.items()}
        (overlays / f"{name}.yml").write_text(yaml.safe_dump({"services": own}), encoding="utf-8")
    return docker_settings
