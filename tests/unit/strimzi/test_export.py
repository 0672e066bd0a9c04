"""What is exported: complete, valid by the operator's CRDs, and with a word on where each value comes from."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import yaml

from backbone.errors import StackError
from backbone.strimzi import crd, gather, layout, manifest, parity, rules
from backbone.strimzi.model import METADATA_VERSIONS, operators_own, resource_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from backbone.stack.settings import Settings
    from backbone.strimzi.manifest import Manifest
    from backbone.strimzi.model import Backbone

NAMES = ("default", "secure", "topics", "connectors", "lite", "five brokers", "Kafka 4.4", "scram Connect")


def one(manifests: tuple[Manifest, ...], kind: str, name: str = "") -> Manifest:
    return next(each for each in manifests if each.kind == kind and name in {"", each.name})


@pytest.mark.parametrize("name", NAMES)
def test_an_export_contradicts_nothing(exports: Mapping[str, tuple[Manifest, ...]], name: str) -> None:
    assert rules.judge(exports[name]) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_operators_crds_take_every_resource(
    exports: Mapping[str, tuple[Manifest, ...]], crds: Mapping[tuple[str, str], crd.Definition], name: str
) -> None:
    assert crd.judge(exports[name], crds) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_written_files_say_what_was_meant(
    exports: Mapping[str, tuple[Manifest, ...]], tmp_path: Path, name: str
) -> None:
    for file, text in layout.files(exports[name], "", layout.Flags()).items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text, encoding="utf-8")
    assert parity.compare(manifest.read(tmp_path), exports[name]) == []
    assert layout.read_flags(tmp_path) == layout.Flags()


def test_every_broker_setting_is_exported_with_its_variable_or_listed(
    settings: Settings, default: Backbone, exports: Mapping[str, tuple[Manifest, ...]]
) -> None:
    kafka = one(exports["default"], "Kafka")
    config = kafka.mapped("spec", "kafka", "config")
    listed = " ".join(each.what for each in gather.left_out(settings, default))
    for name in default.settings:
        assert (name in config) != (f"{name}=" in listed)
    text = manifest.text([kafka])
    assert "min.insync.replicas: 2  # KAFKA_MIN_INSYNC_REPLICAS" in text
    assert all(re.search(rf"^ +{re.escape(name)}: .*# KAFKA_", text, re.MULTILINE) for name in config)


def test_what_has_no_place_there_is_listed_with_what_replaces_it(settings: Settings, default: Backbone) -> None:
    left = {each.what: each.instead for each in gather.left_out(settings, default)}
    assert left["broker.session.timeout.ms=9000"].startswith("the failover profile")
    assert "nodeport" in left["kafka-1: 127.0.0.1:9092"]
    assert left["kafka-2: host path for /var/lib/kafka/data"] == "a persistent volume claim"
    assert "contracts apply" in left["service schema-registry"]


def test_a_version_that_the_operator_does_not_run_is_clamped_and_told(
    settings: Settings,
    configurations: Mapping[str, tuple[Backbone, layout.Flags]],
    exports: Mapping[str, tuple[Manifest, ...]],
) -> None:
    kafka = one(exports["Kafka 4.4"], "Kafka")
    assert kafka.get("spec", "kafka", "version") == "4.3.1"
    assert kafka.get("spec", "kafka", "metadataVersion") == METADATA_VERSIONS["4.3.1"]
    assert "the stack runs 4.4.0" in manifest.text([kafka])
    assert gather.left_out(settings, configurations["Kafka 4.4"][0])[0].what == "Kafka 4.4.0"


def test_more_brokers_have_controllers_of_their_own(exports: Mapping[str, tuple[Manifest, ...]]) -> None:
    found = exports["five brokers"]
    assert one(found, "KafkaNodePool", "brokers").get("spec", "replicas") == 5
    assert one(found, "KafkaNodePool", "controllers").get("spec", "roles") == ["controller"]
    assert rules.brokers(found) == 5


def test_a_topic_that_kubernetes_cannot_call_by_its_name_keeps_it(exports: Mapping[str, tuple[Manifest, ...]]) -> None:
    found = {each.get("spec", "topicName"): each.name for each in exports["topics"] if each.kind == "KafkaTopic"}
    assert found["Orders_2"] == resource_name("Orders_2") != resource_name("orders-2")
    assert {"a..b", "UPPER"} <= set(found)
    assert len(set(found.values())) == len(found)


def test_users_come_with_listeners_rules_and_no_credentials(exports: Mapping[str, tuple[Manifest, ...]]) -> None:
    kafka, user = one(exports["secure"], "Kafka"), one(exports["secure"], "KafkaUser", "orders-service")
    listeners = kafka.get("spec", "kafka", "listeners")
    assert [each["authentication"]["type"] for each in listeners] == ["scram-sha-512", "tls"]
    assert all(each["tls"] for each in listeners)
    assert user.get("spec", "authorization", "acls")[0] == {
        "resource": {"type": "topic", "name": "orders.", "patternType": "prefix"},
        "operations": ["Describe", "Read", "Write"],
    }
    assert user.get("spec", "authorization", "acls")[3]["type"] == "deny"
    assert one(exports["secure"], "KafkaConnect").get("spec", "authentication", "type") == "tls"


def test_connect_has_its_plugins_by_hash_and_refers_to_secrets(exports: Mapping[str, tuple[Manifest, ...]]) -> None:
    found = one(exports["default"], "KafkaConnect")
    files = [each for plugin in found.get("spec", "build", "plugins") for each in plugin["artifacts"]]
    assert len(files) > 20
    assert all(len(each["sha512sum"]) == 128 or "example.com" in each["url"] for each in files if "sha512sum" in each)
    assert [each["url"] for each in files if "sha512sum" not in each] == [
        "https://artifacts.example.com/archive-sink.jar"
    ]
    sink = one(exports["default"], "KafkaConnector", "postgres-archive")
    assert sink.get("spec", "config", "connection.password") == "${secrets:/mnt/secrets:postgres_password}"
    config = found.mapped("spec", "config")
    assert config["config.providers.secrets.class"].startswith("org.apache.kafka.")  # ours is in no image there
    assert config["config.providers.secrets.param.allowed.paths"] == "/mnt/secrets"
    assert not [name for name, value in config.items() if "backbone." in str(value)]
    assert one(exports["default"], "KafkaConnector", "postgres-changes").get("spec", "state") == "stopped"


def test_how_the_workers_clients_log_in_here_is_left_to_the_operator(settings: Settings, default: Backbone) -> None:
    worker = default.worker
    assert worker
    here = {f"{client}.ssl.keystore.location": "tls/keystore.pem" for client in ("producer", "consumer", "admin")}
    here["admin.security.protocol"] = "SSL"
    kept = {"consumer.max.poll.records": "7"}
    secure = replace(default, worker=replace(worker, settings={**worker.settings, **here, **kept}))
    config = one(layout.manifests(settings, secure, "kafka"), "KafkaConnect").mapped("spec", "config")
    assert config["consumer.max.poll.records"] == 7
    assert not here.keys() & config.keys()
    left = {each.what.partition("=")[0]: each.instead for each in gather.left_out(settings, secure)}
    assert "authentication" in left["Connect: producer.ssl.keystore.location"]


def test_the_lock_and_the_checksums_name_the_same_files(settings: Settings, tmp_path: Path) -> None:
    plugins = gather.plugins(settings)
    assert {plugin.name for plugin in plugins} == {"connect-avro", "connect-jdbc", "connect-postgres"}
    lines = (settings.root / "infra/05-messaging/connect/plugins.sha512").read_text(encoding="utf-8").splitlines()
    assert sorted(path for plugin in plugins for path in plugin.files) == [line.split()[1] for line in lines]


def test_alerts_and_dashboards_are_the_stacks_own(
    settings: Settings, exports: Mapping[str, tuple[Manifest, ...]]
) -> None:
    found = one(exports["default"], "PrometheusRule")
    own = yaml.safe_load((settings.root / "infra/06-observability/prometheus/alerts.yml").read_text(encoding="utf-8"))
    assert found.get("spec", "groups") == [group for group in own["groups"] if group["name"] == "kafka"]
    board = settings.root / "infra/06-observability/grafana/dashboards/kafka.json"
    assert one(exports["default"], "ConfigMap", "kafka-dashboards").get("data", "kafka.json") == board.read_text(
        "utf-8"
    )
    monitor = one(exports["default"], "PodMonitor")
    jobs = {each.get("replacement") for each in monitor.get("spec", "podMetricsEndpoints")[0]["relabelings"]}
    assert {"kafka", "kafka-connect", "kafka-exporter"} <= jobs


def test_the_operators_own_settings_are_known() -> None:
    assert operators_own("log.dirs")
    assert operators_own("broker.session.timeout.ms")
    assert not operators_own("controller.quorum.fetch.timeout.ms")
    assert not operators_own("min.insync.replicas")


def test_a_folder_without_an_export_is_told(tmp_path: Path) -> None:
    with pytest.raises(StackError) as caught:
        layout.read_flags(tmp_path)
    assert caught.value.reference == "no-export"
    with pytest.raises(StackError) as caught:
        manifest.read(tmp_path)
    assert caught.value.reference == "no-resources"
    (tmp_path / "list.yaml").write_text("- 1\n", encoding="utf-8")
    with pytest.raises(StackError) as caught:
        manifest.read(tmp_path)
    assert caught.value.reference == "bad-resource"
