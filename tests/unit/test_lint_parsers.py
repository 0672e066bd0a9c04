"""How the linter reads Kafka's words: listeners, voters, bootstrap lists, properties, images."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbone import addresses
from backbone.lint.kafka import images, properties

NAMES = st.from_regex(r"[A-Z][A-Z_]{0,10}", fullmatch=True)
HOSTS = st.from_regex(r"[a-z][a-z0-9-]{0,15}", fullmatch=True) | st.sampled_from(["", "[::1]", "localhost"])
PORTS = st.integers(min_value=0, max_value=65535)
SPACE = st.sampled_from(["", " ", "\n  "])


@given(st.lists(st.tuples(NAMES, HOSTS, PORTS, SPACE)))
def test_listeners_are_read_as_they_are_written(entries: list[tuple[str, str, int, str]]) -> None:
    text = ",".join(f"{space}{name}://{host}:{port}" for name, host, port, space in entries)
    parsed = addresses.parse_listeners(text)
    assert [(entry.name, entry.host, entry.port) for entry in parsed] == [entry[:3] for entry in entries]
    assert all(entry.text in text for entry in parsed)


@given(st.lists(st.tuples(st.integers(0, 9999), HOSTS.filter(bool), PORTS)))
def test_voters_are_read_as_they_are_written(entries: list[tuple[int, str, int]]) -> None:
    text = ",".join(f"{voter}@{host}:{port}" for voter, host, port in entries)
    assert [(voter.id, voter.host, voter.port) for voter in addresses.parse_voters(text)] == entries


@given(st.text())
def test_no_text_stops_a_parser(text: str) -> None:
    assert len(addresses.parse_listeners(text)) <= len(addresses.entries(text))
    assert len(addresses.parse_voters(text)) <= len(addresses.entries(text))
    assert len(addresses.parse_endpoints(text)) <= len(addresses.entries(text))
    assert all(":" in text for _ in addresses.parse_protocol_map(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kafka:9092", [("kafka", 9092)]),
        ("PLAINTEXT://a:1, SASL_SSL://b.example.com:2", [("a", 1), ("b.example.com", 2)]),
        ("$KAFKA_HOST:9092,kafka-1:9092", [("kafka-1", 9092)]),
        ("kafka", []),
        ("[::1]:9092", [("[::1]", 9092)]),
    ],
)
def test_bootstrap_lists(text: str, expected: list[tuple[str, int]]) -> None:
    assert [(entry.host, entry.port) for entry in addresses.parse_endpoints(text)] == expected


@given(st.from_regex(r"[a-z]+([._-][a-z]+){0,4}", fullmatch=True))
def test_a_property_survives_its_variable(name: str) -> None:
    assert properties.property_name(properties.variable_name(name, "KAFKA_"), "KAFKA_") == name


def test_start_script_variables_are_no_properties() -> None:
    environment = {"KAFKA_HEAP_OPTS": "-Xmx1g", "KAFKA_JMX_PORT": "1", "KAFKA_LOG_DIRS": "/data", "PATH": "/bin"}
    assert list(properties.settings(environment, "KAFKA_")) == ["log.dirs"]


@pytest.mark.parametrize(
    ("name", "family", "known"),
    [
        ("min.insync.replicas", "broker", True),
        ("min.insync.replica", "broker", False),
        ("listener.name.internal.plain.sasl.jaas.config", "broker", True),
        ("config.providers.file.class", "broker", True),
        ("plugin.discovery", "connect", True),
        ("producer.compression.type", "connect", True),
        ("producer.compresion.type", "connect", False),
        ("producer.confluent.monitoring.interceptor.topic", "connect", True),
        ("key.converter.schema.registry.url", "connect", True),
        ("config.storage.replicaton.factor", "connect", False),
    ],
)
def test_known_properties(name: str, family: str, known: bool) -> None:
    assert properties.is_known(name, family) is known


def test_a_misspelt_property_is_told_the_right_one() -> None:
    assert properties.suggestion("advertsed.listeners", "broker") == "advertised.listeners"
    assert properties.suggestion("something.else.entirely", "broker") == ""


@pytest.mark.parametrize(
    ("reference", "repository", "tag", "kafka"),
    [
        ("apache/kafka:4.3.1", "apache/kafka", "4.3.1", (4, 3)),
        ("confluentinc/cp-kafka:7.5.0", "confluentinc/cp-kafka", "7.5.0", (3, 5)),
        ("docker.io/confluentinc/cp-kafka:8.3.0", "confluentinc/cp-kafka", "8.3.0", (4, 3)),
        ("localhost:5000/apache/kafka@sha256:ab", "apache/kafka", "", None),
        ("apache/kafka:latest", "apache/kafka", "latest", None),
        ("kafka", "kafka", "", None),
    ],
)
def test_images(reference: str, repository: str, tag: str, kafka: tuple[int, int] | None) -> None:
    image = images.parse_image(reference)
    assert (image.repository, image.tag, image.kafka_version) == (repository, tag, kafka)
