"""A secure cluster under load: renewal, rotation and faults lose nothing; the profile changes over the same data."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Consumer, KafkaError
from confluent_kafka.cimpl import TopicPartition

from backbone import client_properties
from backbone.security import certificates
from backbone.security.layout import Secrets
from tests.e2e import checkout
from tests.e2e.logins import TOPIC, code, librdkafka, read_by, written

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.checkout import Checkout

SWITCH = ("KAFKA_SECURITY=plaintext", "KAFKA_SECURITY=secure")


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Checkout]:
    """Three brokers with KAFKA_SECURITY=secure, shared by the tests in their order."""
    made = checkout.make(tmp_path_factory.mktemp("secure"), cache, shift=checkout.free_shift(), brokers_only=True)
    made.edit(".env", *SWITCH)
    made.edit(".env", "KAFKA_FAILOVER_PROFILE=default", "KAFKA_FAILOVER_PROFILE=balanced")  # faults last a third of it
    try:
        made.run("up")
        yield made
    finally:
        made.end()


@pytest.fixture(scope="module")
def secrets(secure: Checkout) -> Secrets:
    return Secrets(secure.root / "secrets" / "kafka")


def longest(standstills: list[list[int]]) -> int:
    """Return the longest time in ms in which a partition stood still."""
    return max((end - begin for begin, end, *_ in standstills), default=0)


def test_certificates_and_a_password_are_renewed_while_records_flow_and_none_is_lost(
    secure: Checkout, secrets: Secrets
) -> None:
    old = client_properties.read(secrets.properties("admin"))
    serials = {one.name: one.serial for one in certificates.holders(secrets.folder)}
    told = ("--bootstrap", old.bootstrap, "--command-config", str(secrets.properties("admin")))
    with secure.going("failover", *told, "--json") as load:
        assert load.stderr
        assert "traffic is on" in load.stderr.readline()
        # The load goes on as somebody who has not heard of the new password, and comes back so to each broker.
        secure.run("user", "rotate", "admin")
        secure.run("certs", "renew")
        load.send_signal(signal.SIGINT)
        report = json.loads(load.communicate(timeout=checkout.TASK_TIMEOUT_S)[0])
    assert report["verdict"] == "valid", report
    assert report["counts"]["ok"] > 0
    assert not any(report["violations"].values())
    now = {one.name: one.serial for one in certificates.holders(secrets.folder)}
    assert now.keys() == serials.keys()
    assert not set(now.values()) & set(serials.values())
    (run,) = report["runs"]
    print(f"acknowledged {report['counts']['ok']}, longest stall: {longest(run['course']['no_writes'])} ms")  # noqa: T201


def test_a_former_password_is_good_until_it_is_settled(secure: Checkout, secrets: Secrets) -> None:
    old = librdkafka(secrets)
    secure.run("user", "rotate", "app")
    new = librdkafka(secrets)
    assert new["sasl.password"] != old["sasl.password"]
    for settings in (old, new):
        assert written(settings, TOPIC) is None
    again = secure.run("user", "rotate", "app", code=2)
    assert "two-passwords" in again.stderr
    secure.run("user", "settle", "app")
    assert written(new, TOPIC) is None
    assert code(written(old, TOPIC)) == KafkaError._AUTHENTICATION  # noqa: SLF001 - its name
    secure.run("restart", "kafka-1")
    assert written(librdkafka(secrets), TOPIC) is None


def test_a_user_is_added_by_one_command(secure: Checkout, secrets: Secrets) -> None:
    secure.run("topics", "create", "orders.placed")
    secure.run("user", "add", "orders")
    assert secure.json("access", "drift") == []
    settings = librdkafka(secrets, "orders")
    assert written(settings, "orders.placed") is None
    assert read_by(settings, "orders-reader", "orders.placed") is None
    assert code(written(settings, TOPIC)) == KafkaError.TOPIC_AUTHORIZATION_FAILED


def test_failover_is_valid_over_it(secure: Checkout) -> None:
    report = secure.json("failover", "--quick")
    assert (report["verdict"], report["faults"]["proved"]) == ("valid", report["faults"]["done"])


def test_latency_is_within_its_limit_over_it(secure: Checkout) -> None:
    secure.run("bench", "--quick", "--repeats", "1")


def ends(settings: dict[str, Any]) -> dict[int, int]:
    """Return partition → how many records it has had."""
    reader = Consumer({**settings, "group.id": "app-ends"})
    try:
        found = reader.list_topics(TOPIC, 10).topics[TOPIC].partitions
        return {number: reader.get_watermark_offsets(TopicPartition(TOPIC, number), 10)[1] for number in found}
    finally:
        reader.close()


def test_data_users_and_rules_outlive_a_change_of_the_profile_and_back(secure: Checkout, secrets: Secrets) -> None:
    before = ends(librdkafka(secrets))
    assert sum(before.values()) > 0
    secure.edit(".env", *SWITCH[::-1])
    said = secure.run("up", code=2)
    assert "security-switch" in said.stderr
    secure.run("down")
    secure.run("up")
    bootstrap = {"bootstrap.servers": secure.json("endpoints")["KAFKA_BOOTSTRAP_SERVERS"]}
    assert ends(bootstrap) == before
    assert written(bootstrap, TOPIC) is None
    secure.run("down")
    secure.edit(".env", *SWITCH)
    secure.run("up")
    assert sum(ends(librdkafka(secrets)).values()) == sum(before.values()) + 1
    assert secure.json("access", "drift") == []
    assert code(written(librdkafka(secrets), "orders.placed")) == KafkaError.TOPIC_AUTHORIZATION_FAILED
