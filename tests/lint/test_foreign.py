"""Projects as strangers write them: what looks like a defect and is none, and what is one and looks like none.

tests/lint/foreign has a folder for each, whose Compose file says in its first lines where it comes from and why.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from backbone.lint import run as lint_run
from backbone.lint.model import Severity
from tests.lint.conftest import Lint, codes, text_at

FOREIGN = Path(__file__).parent / "foreign"
FALSE_ALARMS = {
    # The codes that used to speak.
    "01-pass-through-entry": {"KC005", "KC504"},
    "02-bitnami-defaults": {"KC141"},
    "03-confluent-platform-4": {"KC006"},
    "04-derived-image-without-listeners": {"KC125", "KC131"},
    "05-listener-for-the-container-itself": {"KC127"},
    "06-duplicate-anchor": {"KC001"},
    "07-next-gen-control-center": {"KC412"},
    "08-confluent-server-properties": {"KC006"},
    "09-cloud-worker-beside-local-broker": {"KC131"},
    "10-container-port-without-host-port": {"KC304"},
    "11-cascade-from-unset-tag": {"KC506"},
    "13-placeholders": {"KC307", "KC504"},
    "14-range-to-one-port": {"KC502"},
    "15-build-output": {"KC508"},
    "16-env-example-of-several-files": {"KC302"},
}


NOISE = "12-noise-before-the-reason"
"""What Compose itself says: a refusal, so it has an error and a test of its own."""

MISSES = {
    # For each the code that has to speak, how loud, and a piece of the text at each place.
    "01-loopback-listener-published": ("KC135", Severity.ERROR, ["HOST://localhost:9092"]),
    "02-registry-url-wrong-port": (
        "KC134",
        Severity.ERROR,
        ['"http://schema-registry:8085"', '"http://schema-registri:8081"', '"http://schema-registry:18081"'],
    ),
    "03-zookeeper-port-mismatch": ("KC112", Severity.ERROR, ["zookeeper1:1182"]),
    "04-volume-above-image-volume": ("KC151", Severity.ERROR, ['"kafka-data:/var/lib/kafka"']),
    "05-published-port-without-listener": ("KC136", Severity.WARNING, ['"127.0.0.1:9999:9999"']),
    "06-bitnami-image-gone": ("KC509", Severity.ERROR, ["bitnami/kafka:3.9.0"]),
    "07-quotes-inside-list-entry": (
        "KC010",
        Severity.ERROR,
        ['"PLAINTEXT://:9092,CONTROLLER://:9093"', '"PLAINTEXT://kafka:9092"', '"cdc"'],
    ),
    "08-connect-rest-listeners": ("KC006", Severity.ERROR, ["CONNECT_REST_LISTENERS"]),
    "09-confluent-kraft-without-cluster-id": ("KC113", Severity.ERROR, ["environment"]),
    "10-latest-with-zookeeper": ("KC111", Severity.ERROR, ["zookeeper:2181"]),
    "11-broker-own-bootstrap-wrong": ("KC131", Severity.ERROR, ["brokr:9999", "broker:9999"]),
    "12-health-check-on-unbound-address": ("KC407", Severity.ERROR, ["9092"]),
    "13-redpanda": ("KC129", Severity.ERROR, ["internal://redpandaa:9092"]),
    "14-health-command-not-in-image": ("KC413", Severity.ERROR, ["kafka-topics.sh", "kafka-broker-api-versions.sh"]),
    "15-zookeeper-single-broker-defaults": ("KC141", Severity.ERROR, ["kafka", "kafka"]),
    "16-listener-name-unknown": (
        "KC137",
        Severity.ERROR,
        ["KAFKA_LISTENER_NAME_EXTERNAL_SASL_ENABLED_MECHANISMS", "KAFKA_LISTENER_NAME_EXTERNAL_PLAIN_SASL_JAAS_CONFIG"],
    ),
}


def lint_folder(folder: Path) -> lint_run.Outcome:
    outcome = lint_run.run(lint_run.Request(folder, environ={}))
    assert not outcome.stopped
    assert not outcome.result.crashes
    return outcome


@pytest.mark.parametrize("name", FALSE_ALARMS)
def test_what_is_no_defect_is_not_told(name: str) -> None:
    outcome = lint_folder(FOREIGN / "false-alarms" / name)
    assert FALSE_ALARMS[name] & set(codes(outcome)) == set()
    assert [judged for judged in outcome.result.findings if judged.severity == Severity.ERROR] == []


@pytest.mark.parametrize("name", MISSES)
def test_what_is_a_defect_is_told_where_it_is(name: str) -> None:
    code, severity, texts = MISSES[name]
    outcome = lint_folder(FOREIGN / "misses" / name)
    told = [judged for judged in outcome.result.findings if judged.rule.code == code]
    assert max(judged.severity for judged in told) == severity
    assert [text_at(outcome, judged) for judged in told] == texts


def test_the_other_flags_of_redpanda_are_read_too() -> None:
    assert {"KC127", "KC131"} <= set(codes(lint_folder(FOREIGN / "misses" / "13-redpanda")))


def test_one_cause_is_not_told_by_its_consequences() -> None:
    # A listener that Kafka cannot read for its quotes is not also missing.
    assert {"KC124", "KC131"} & set(codes(lint_folder(FOREIGN / "misses" / "07-quotes-inside-list-entry"))) == set()


def test_every_case_is_judged() -> None:
    assert {folder.name for folder in (FOREIGN / "misses").iterdir()} == MISSES.keys()
    alarms = {folder.name for folder in (FOREIGN / "false-alarms").iterdir()}
    assert alarms - FALSE_ALARMS.keys() == {NOISE}


def test_the_one_reason_of_a_refusal_comes_first_at_its_place() -> None:
    outcome = lint_folder(FOREIGN / "false-alarms" / NOISE)
    (judged,) = (judged for judged in outcome.result.findings if judged.rule.code == "KC004")
    assert judged.severity == Severity.ERROR
    assert judged.finding.message.startswith(
        'Docker Compose refuses the project: service "a" refers to undefined network infra_net'
    )
    assert judged.finding.message.endswith("(and 4 warnings)")
    assert "\\" not in judged.finding.message
    at = judged.finding.at
    line = outcome.project.text(at.path).splitlines()[at.line - 1]
    assert line[at.column - 1 :].startswith("infra_net]}")


def test_alternatives_of_two_profiles_may_have_one_identity(lint: Lint) -> None:
    one = (
        "{image: 'apache/kafka:4.1.0', profiles: [%s], hostname: kafka, volumes: ['data:/data'], "
        "ports: ['127.0.0.1:9092:9092'], networks: {default: {aliases: [kafka]}}, environment: {KAFKA_NODE_ID: 1, "
        "KAFKA_PROCESS_ROLES: 'broker,controller', KAFKA_LISTENERS: 'IN://:19092,PLAINTEXT://:9092,CONTROLLER://:9093',"
        " KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: 'IN:PLAINTEXT,PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT', "
        "KAFKA_ADVERTISED_LISTENERS: 'IN://kafka:19092,PLAINTEXT://localhost:9092', KAFKA_LOG_DIRS: /data, "
        "KAFKA_INTER_BROKER_LISTENER_NAME: IN, KAFKA_CONTROLLER_LISTENER_NAMES: CONTROLLER, "
        "KAFKA_CONTROLLER_QUORUM_VOTERS: '1@kafka:9093', KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: 1, "
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: 1, KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: 1}}"
    )
    text = "services:\n  kafka-ci: %s\n  kafka-dev: %s\nvolumes: {data: }\n"
    apart, together = lint(text % (one % "ci", one % "dev")), lint(text % (one % "ci", one % "'ci', 'dev'"))
    pairs = {"KC102", "KC128", "KC148", "KC502"}
    assert [judged.rule.code for judged in apart.result.findings if judged.severity == Severity.ERROR] == []
    assert pairs <= {judged.rule.code for judged in together.result.findings if judged.severity == Severity.ERROR}


@pytest.mark.parametrize(
    "body",
    [
        "volumes: ['${SECRETS}:/etc/kafka/secrets', '$DATA:/data']",
        "ports: ['${A:?set it}:9092', '127.0.0.1:${B:?}:9093']",
        "cpus: '$CPUS', mem_limit: '${MEMORY}', deploy: {replicas: '${N}'}",
        "healthcheck: {test: 'true', interval: '${I:?}', retries: '$R'}",
    ],
)
def test_what_only_the_shell_knows_keeps_nothing_from_being_judged(body: str, lint: Lint) -> None:
    outcome = lint(f"services: {{k: {{image: 'apache/kafka:4.1.0', {body}}}}}")
    assert outcome.project.services
    assert [judged.rule.code for judged in outcome.result.findings if judged.severity == Severity.ERROR] == []
    assert "KC004" in codes(outcome)


def test_a_value_that_is_passed_through_is_not_quoted() -> None:
    outcome = lint_folder(FOREIGN / "false-alarms" / "01-pass-through-entry")
    assert "hunter2" not in repr(outcome.result.findings)
