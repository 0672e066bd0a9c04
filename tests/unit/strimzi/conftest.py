"""The operator's CRDs, which are not this project's, and the backbone of this checkout in several configurations."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from backbone.events.connectors.files import Connector
from backbone.stack import home
from backbone.stack.settings import Settings
from backbone.stack.topics import Topic
from backbone.strimzi import crd, layout
from backbone.strimzi.model import Acl, Backbone, User

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backbone.strimzi.crd import Definition
    from backbone.strimzi.manifest import Manifest

ROOT = Path(__file__).parents[3]
CRDS = Path(os.environ.get("STRIMZI_CRDS") or ROOT.parent / "shared" / "crds" / "strimzi-1.2.0")

USERS = (
    User(
        "orders-service",
        "scram-sha-512",
        (
            Acl("topic", "orders.", ("Describe", "Read", "Write"), "prefix"),
            Acl("group", "orders", ("Read",)),
            Acl("cluster", "kafka-cluster", ("DescribeConfigs",)),
            Acl("topic", "secrets", ("Read",), kind="deny", host="10.0.0.9"),
        ),
    ),
    User("kafka-connect", "tls", (Acl("topic", "*", ("All",)), Acl("group", "*", ("All",)))),
)


@pytest.fixture(scope="session")
def crds() -> Mapping[tuple[str, str], Definition]:
    """Return the operator's CRDs; without them nothing here is proved, and a run that has to prove it fails."""
    if not CRDS.is_dir():
        words = (
            f"no CRDs in {CRDS}: set STRIMZI_CRDS (docs/kubernetes.md). NO EXPORT WAS JUDGED BY THE OPERATOR'S SCHEMAS"
        )
        if os.environ.get("STRIMZI_CRDS_REQUIRED"):
            pytest.fail(words)
        pytest.skip(words)
    return crd.read(CRDS)


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return a home as this version makes it: nobody's .env is in it."""
    root = tmp_path_factory.mktemp("home")
    home.write(root, home.changes(root))
    return Settings(root, {})


@pytest.fixture(scope="session")
def default(settings: Settings) -> Backbone:
    return layout.backbone(settings, layout.Flags())


@pytest.fixture(scope="session")
def configurations(default: Backbone) -> Mapping[str, tuple[Backbone, layout.Flags]]:
    """Return the configurations that an export is judged in."""
    plain = layout.Flags()
    worker = default.worker
    assert worker
    named = ("Orders_2", "payments.v1", "a..b", "UPPER", "x" * 249)
    more = tuple(Topic(name, 12, 3, {"cleanup.policy": "compact,delete", "retention.ms": "-1"}) for name in named)
    config = {"connector.class": "org.example.Sink", "tasks.max": "4", "topics": "orders", "batch": "10"}
    five = layout.Flags(name="five", brokers=5, controllers=3)
    return {
        "default": (default, plain),
        "secure": (replace(default, users=USERS, worker=replace(worker, user=USERS[1])), plain),
        "topics": (replace(default, topics=(*default.topics, *more)), plain),
        "connectors": (
            replace(
                default,
                connectors=(
                    *default.connectors,
                    Connector("orders", "Moves orders on.", optional=False, config=config),
                ),
            ),
            plain,
        ),
        "lite": (replace(default, worker=None, connectors=(), topics=default.topics[:1]), plain),
        "five brokers": (layout.sized(replace(default, name="five"), five), five),
        "Kafka 4.4": (replace(default, version="4.4.0"), plain),
        "scram Connect": (replace(default, users=USERS, worker=replace(worker, user=USERS[0])), plain),
    }


@pytest.fixture(scope="session")
def exports(
    settings: Settings, configurations: Mapping[str, tuple[Backbone, layout.Flags]]
) -> Mapping[str, tuple[Manifest, ...]]:
    """Return the resources of each configuration."""
    return {
        name: layout.manifests(settings, backbone, flags.namespace)
        for name, (backbone, flags) in configurations.items()
    }
