"""Projects as strangers write them: what looks like a defect and is none, and what is one and looks like none.

tests/lint/foreign has a folder for each, whose Compose file says in its first lines where it comes from and why.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from backbone.lint import run as lint_run
from backbone.lint.model import Severity
from backbone.lint.output import fix
from tests.lint.conftest import Lint, codes

if TYPE_CHECKING:
    from backbone.lint.judged import Judged

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


def text_at(outcome: lint_run.Outcome, judged: Judged) -> str:
    at = judged.finding.at
    return outcome.project.text(at.path)[at.start : at.end]


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


BROKER = """
    image: apache/kafka:4.1.0
    environment: &broker
      KAFKA_NODE_ID: 1
      KAFKA_PROCESS_ROLES: broker,controller
      KAFKA_LISTENERS: PLAINTEXT://:9092,CONTROLLER://:9093
      KAFKA_ADVERTISED_LISTENERS: PLAINTEXT://kafka:9092
      KAFKA_CONTROLLER_LISTENER_NAMES: CONTROLLER
      KAFKA_CONTROLLER_QUORUM_VOTERS: 1@kafka:9093
      KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: 1
      KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: 1
      KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: 1
"""

COUSINS = {
    # (a code that must not speak, files)
    "a broker under the name of a link": (
        "KC131",
        (f"services:\n  kafka:{BROKER}  app: {{image: 'a/b:1.0.0', links: ['kafka:broker', kafka], environment: "
        "{KAFKA_BROKERS: 'broker:9092,kafka:9092'}}\n"),
    ),
    "several ZooKeepers on the host's network": (
        "KC112",
        ("services:\n  z1: &z {image: 'confluentinc/cp-zookeeper:7.4.0', network_mode: host, environment: "
        "{ZOOKEEPER_CLIENT_PORT: 22181}}\n  z2: {<<: *z, environment: {ZOOKEEPER_CLIENT_PORT: 32181}}\n"
        "  k: {image: 'confluentinc/cp-kafka:7.4.0', network_mode: host, environment: {KAFKA_BROKER_ID: 1, "
        "KAFKA_ZOOKEEPER_CONNECT: 'localhost:22181,localhost:32181,127.0.0.1:2181/kafka', "
        "KAFKA_ADVERTISED_LISTENERS: 'PLAINTEXT://localhost:9092'}}\n"),
    ),
    "several ZooKeepers under one alias": (
        "KC112",
        ("services:\n  z1: &z {image: 'confluentinc/cp-zookeeper:7.4.0', networks: {n: {aliases: [zk]}}, environment: "
        "{ZOOKEEPER_CLIENT_PORT: 22181}}\n  z2: {<<: *z, environment: {ZOOKEEPER_CLIENT_PORT: 32181}}\n"
        "  k: {image: 'confluentinc/cp-kafka:7.4.0', networks: [n], environment: {KAFKA_BROKER_ID: 1, "
        "KAFKA_ZOOKEEPER_CONNECT: 'zk:22181,zk:32181', KAFKA_ADVERTISED_LISTENERS: 'PLAINTEXT://k:9092'}}\n"
        "networks: {n: }\n"),
    ),
    "several controllers on the host's network": (
        "KC107",
        "services:\n" + "".join(
            f"  k{node}: {{image: 'apache/kafka:4.1.0', network_mode: host, environment: {{KAFKA_NODE_ID: {node}, "
            f"KAFKA_PROCESS_ROLES: 'broker,controller', KAFKA_LISTENERS: 'PLAINTEXT://:{node}9092,"
            f"CONTROLLER://:{node}9093', KAFKA_ADVERTISED_LISTENERS: 'PLAINTEXT://localhost:{node}9092', "
            "KAFKA_CONTROLLER_LISTENER_NAMES: CONTROLLER, "
            "KAFKA_CONTROLLER_QUORUM_VOTERS: '1@localhost:19093,2@localhost:29093,3@localhost:39093'}}\n"
            for node in (1, 2, 3)
        ),
    ),
    "OAuth in a worker that is built from Confluent's image": (
        "KC006",
        ("services: {connect: {build: ., environment: {CONNECT_BOOTSTRAP_SERVERS: 'b:9092', CONNECT_GROUP_ID: c, "
        "CONNECT_OAUTHBEARER_JWKS_ENDPOINT_URL: '$JWKS', CONNECT_OAUTHBEARER_EXPECTED_ISSUER: '$ISSUER'}}}"),
    ),
    "a map entry without a value": (
        "KC005",
        "services: {app: {image: 'a/b:1.0.0', environment: {TOKEN: , UMASK: null, MODE: ~}}}",
    ),
    "build arguments and labels that only name": (
        "KC005",
        {"docker-compose.yml": "services: {a: {build: {context: ., args: [VERSION]}, labels: [traefik]}}",
         ".env": "VERSION=007\n"},
    ),
    "values from an env_file": (
        "KC504",
        {"docker-compose.yml": "services: {a: {image: 'a/b:1.0.0', env_file: [app.env]}}",
         "app.env": "DB_PASSWORD=tr0ub4dor\nTOKEN\n"},
    ),
    "Bitnami by its variables, whatever the image is called": (
        "KC141",
        ("services: {k: {image: 'mirror.example.org/infra/kafka-kraft:3.7', environment: {KAFKA_CFG_NODE_ID: 0, "
        "KAFKA_CFG_PROCESS_ROLES: 'controller,broker', KAFKA_CFG_LISTENERS: 'PLAINTEXT://:9092,CONTROLLER://:9093', "
        "KAFKA_CFG_CONTROLLER_LISTENER_NAMES: CONTROLLER, KAFKA_CFG_CONTROLLER_QUORUM_VOTERS: '0@k:9093'}}}"),
    ),
    "Bitnami with ZooKeeper": (
        "KC141",
        "services: {k: {image: 'bitnamilegacy/kafka:3.4.0', environment: {KAFKA_CFG_ZOOKEEPER_CONNECT: 'zk:2181'}}}",
    ),
    "confluent-local has defaults for one broker": (
        "KC141",
        ("services: {k: {image: 'confluentinc/confluent-local:7.6.0', "
        "environment: {KAFKA_ADVERTISED_LISTENERS: 'PLAINTEXT://k:29092,PLAINTEXT_HOST://localhost:9092'}}}"),
    ),
    "Confluent Platform 5 is Kafka 2": (
        "KC006",
        ("services: {k: {image: 'confluentinc/cp-enterprise-kafka:5.5.1', environment: {KAFKA_BROKER_ID: 1, "
        "KAFKA_ZOOKEEPER_CONNECT: 'zk:2181', KAFKA_ADVERTISED_LISTENERS: 'PLAINTEXT://k:9092', "
        "KAFKA_LOG_MESSAGE_FORMAT_VERSION: '2.5'}}}"),
    ),
    "a mirror of Confluent Platform 6": (
        "KC006",
        ("services: {k: {image: 'mirror.example.org/hub/cp-kafka:6.2.0', environment: {KAFKA_BROKER_ID: 1, "
        "KAFKA_ZOOKEEPER_CONNECT: 'zk:2181', KAFKA_ADVERTISED_LISTENERS: 'PLAINTEXT://k:9092'}}}"),
    ),
    "the version of Strimzi is not Kafka's": (
        "KC111",
        ("services: {k: {image: 'quay.io/strimzi/kafka:0.45.0-kafka-3.9.0', environment: {KAFKA_NODE_ID: 1, "
        "KAFKA_ZOOKEEPER_CONNECT: 'zk:2181'}}}"),
    ),
    "an image that is built from a Dockerfile may have listeners of its own": (
        "KC125",
        ("services: {k: {build: ., image: 'acme/events:1.0.0', environment: {KAFKA_NODE_ID: 1, "
        "KAFKA_PROCESS_ROLES: broker, KAFKA_CONTROLLER_QUORUM_VOTERS: '2@c:9093', "
        "KAFKA_CONTROLLER_LISTENER_NAMES: CONTROLLER, KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: 'CONTROLLER:SSL,A:SSL'}}}"),
    ),
    "a start script that is mounted may set the listeners": (
        "KC131",
        ("services:\n  kafka:\n    image: apache/kafka:4.1.0\n    entrypoint: [/start.sh]\n"
        "    volumes: ['./start.sh:/start.sh']\n    environment: {KAFKA_NODE_ID: 1, KAFKA_PROCESS_ROLES: broker}\n"
        "  ui: {image: 'provectuslabs/kafka-ui:v0.7.2', environment: {BOOTSTRAP_SERVERS: 'kafka:19092'}}\n"),
    ),
    "a container of Kafka's image that only waits": (
        "KC130",
        ("services:\n  tools: {image: 'apache/kafka:4.1.0', command: sleep infinity}\n"
        "  ui: {image: 'provectuslabs/kafka-ui:v0.7.2', environment: {BOOTSTRAP_SERVERS: 'tools:9092'}}\n"),
    ),
    "a proxy publishes the port that a broker advertises": (
        "KC127",
        (f"services:\n  kafka:{BROKER.replace('PLAINTEXT://kafka:9092', 'PLAINTEXT://localhost:19092')}"
        "    ports: ['127.0.0.1:9092:9092']\n"
        "  proxy: {image: 'ghcr.io/shopify/toxiproxy:2.12.0', ports: ['127.0.0.1:19092:19092']}\n"),
    ),
    "an anchor set again in another document": (
        "KC001",
        "services: {a: &s {image: 'a/b:1.0.0'}}\n---\nservices: {b: &s {image: 'a/b:1.0.1'}, c: *s}\n",
    ),
    "kcat and Flink have versions of their own": (
        "KC412",
        ("services: {a: {image: 'confluentinc/cp-kafka:8.2.0', command: sleep infinity}, "
        "b: {image: 'confluentinc/cp-kafkacat:7.1.0'}, c: {image: 'confluentinc/cp-flink:1.19.2'}}"),
    ),
    "two builds of one version": (
        "KC412",
        ("services: {a: {image: 'confluentinc/cp-schema-registry:7.9.0-1-ubi8'}, "
        "b: {image: 'confluentinc/cp-kafka-rest:7.9.0'}}"),
    ),
    "the metadata service and LDAP of Confluent Server": (
        "KC006",
        ("services: {b: {image: 'confluentinc/cp-server:7.9.0', environment: {KAFKA_NODE_ID: 1, "
        "KAFKA_PROCESS_ROLES: broker, KAFKA_ADVERTISED_LISTENERS: 'PLAINTEXT://b:9092', CLUSTER_ID: a, "
        "KAFKA_CONFLUENT_METADATA_SERVER_LISTENERS: 'http://0.0.0.0:8090', KAFKA_LDAP_USER_SEARCH_BASE: 'ou=a', "
        "KAFKA_KAFKA_REST_BOOTSTRAP_SERVERS: 'b:9092', KAFKA_CONFLUENT_BALANCER_ENABLE: 'true'}}}"),
    ),
    "Confluent's interceptors in a worker": (
        "KC006",
        ("services: {c: {image: 'confluentinc/cp-server-connect:8.2.0', environment: {CONNECT_GROUP_ID: c, "
        "CONNECT_PRODUCER_CONFLUENT_MONITORING_INTERCEPTOR_BOOTSTRAP_SERVERS: 'b.example.org:1', "
        "CONNECT_REST_SERVLET_INITIALIZOR_CLASSES: x, CONNECT_PUBLIC_KEY_PATH: /a.pem}}}"),
    ),
    "a worker whose cluster only the shell knows": (
        "KC141",
        (f"services:\n  kafka:{BROKER}  connect:\n    image: quay.io/debezium/connect:3.2.0.Final\n"
        "    environment: {BOOTSTRAP_SERVERS: '$BROKERS', CONNECT_CONFIG_STORAGE_REPLICATION_FACTOR: 3}\n"),
    ),
    "a topic command against a cluster outside": (
        "KC141",
        (f"services:\n  kafka:{BROKER}  init:\n    image: apache/kafka:4.1.0\n"
        "    command: [bash, -ec, '/opt/kafka/bin/kafka-topics.sh --bootstrap-server pkc-1.example.org:9092 --create "
        "--topic a --replication-factor 3']\n"),
    ),
    "a registry beside a local broker that uses another cluster": (
        "KC141",
        (f"services:\n  kafka:{BROKER}  registry:\n    image: confluentinc/cp-schema-registry:8.2.0\n"
        "    environment: {SCHEMA_REGISTRY_HOST_NAME: registry, SCHEMA_REGISTRY_KAFKASTORE_TOPIC_REPLICATION_FACTOR: 3,"
        " SCHEMA_REGISTRY_KAFKASTORE_BOOTSTRAP_SERVERS: 'SASL_SSL://pkc-1.example.org:9092'}\n"),
    ),
    "a device, an address with a port and a range are values of ports": (
        "KC304",
        {"docker-compose.yml": "services: {a: {image: 'a/b:1.0.0', ports: ['${A_PORT}:80', '${B_PORT}:90-91'], "
         "environment: {T: '${SERIAL_PORT}', U: '${C_PORT}'}}}",
         ".env": "A_PORT=127.0.0.1:8080\nB_PORT=9090-9091\nSERIAL_PORT=/dev/ttyUSB0\nC_PORT=tcp://10.0.0.1:1\n"},
    ),
    "long syntax without `published`": (
        "KC304",
        {"docker-compose.yml": "services: {a: {image: 'a/b:1.0.0', ports: [{target: '${A_PORT}'}]}, "
         "b: {image: 'a/b:1.0.0', ports: ['127.0.0.1:${B_PORT}:80']}}",
         ".env": "A_PORT=8080\nB_PORT=8080\n"},
    ),
    "the default of a tag is empty": (
        "KC506",
        "services: {k: {image: 'quay.io/debezium/kafka:${DEBEZIUM_VERSION-}'}}",
    ),
    "placeholders of other styles": (
        "KC504",
        ("services: {a: {image: 'a/b:1.0.0', environment: {A_PASSWORD: '<your-password>', B_TOKEN: '{{ token }}', "
        "C_SECRET: __SECRET__, D_PASSWORD: ENTER_PASSWORD, E_API_KEY: sk-xxxxxxxx, F_PASSWORD: to_be_replaced, "
        "G_SECRET_KEY: my-secret-key, H_TOKEN: '********', I_PASSWORD: set-me, J_PASSWORD: yourStrongPassword}}}"),
    ),
    "a range of ports beside one of its ports": (
        "KC502",
        ("services: {a: {image: 'a/b:1.0.0', ports: ['127.0.0.1:5000-5010:80']}, "
        "b: {image: 'a/b:1.0.0', ports: ['127.0.0.1:5000-5010:80']}}"),
    ),
    "a jar in Gradle's output": (
        "KC508",
        {"docker-compose.yml": "services: {a: {image: 'a/b:1.0.0', volumes: ['./app/build/libs/a.jar:/a.jar']}}",
         "app/build/libs/a.jar": "PK"},
    ),
    "a jar that Git leaves out": (
        "KC508",
        {"docker-compose.yml": "services: {a: {image: 'a/b:1.0.0', volumes: ['./plugins/a.jar:/a.jar']}}",
         "plugins/a.jar": "PK", ".gitignore": "# made by fetch.sh\n/plugins/*\n!/plugins/README.md\n"},
    ),
    "a jar that a script downloads first": (
        "KC508",
        "services: {a: {image: 'a/b:1.0.0', volumes: ['./agent.jar:/agent.jar']}}",
    ),
    "a variable that a program reads": (
        "KC302",
        {"docker-compose.yml": "services: {a: {image: 'a/b:1.0.0'}}", ".env.example": "BROKER_HOST=\nAPP_MODE=dev\n",
         "src/app/main.py": "import os\nprint(os.environ['BROKER_HOST'])\n", "Makefile": "run:\n\techo $(APP_MODE)\n"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", COUSINS)
def test_neither_are_its_cousins(name: str, lint: Lint) -> None:
    code, files = COUSINS[name]
    outcome = lint(files)
    assert not outcome.project.refusal
    assert code not in codes(outcome)


def test_a_variable_without_a_default_is_an_error_only_under_a_policy(lint: Lint) -> None:
    text = "services: {a: {image: 'a/b:${TAG}'}}"
    (foreign,) = lint(text, select=("KC303",)).result.findings
    (own,) = lint({"docker-compose.yml": text, "policy.toml": ""}, select=("KC303",)).result.findings
    assert (foreign.severity, own.severity) == (Severity.WARNING, Severity.ERROR)


@pytest.mark.parametrize(
    ("code", "files"),
    [
        # What the exceptions above must not let through.
        ("KC504", "services: {a: {image: 'a/b:1.0.0', environment: {A_PASSWORD: hunter2hunter2}}}"),
        ("KC412", ("services: {a: {image: 'confluentinc/cp-schema-registry:8.2.0'}, "
                  "b: {image: 'confluentinc/cp-kafka-rest:7.9.0'}}")),
        ("KC006", ("services: {k: {image: 'apache/kafka:4.1.0', environment: {KAFKA_NODE_ID: 1, "
                  "KAFKA_OAUTHBEARER_JWKS_ENDPOINT_URL: 'https://a.example.org'}}}")),
        ("KC304", {"docker-compose.yml": "services: {a: {image: 'a/b:1.0.0', ports: ['${A_PORT}:80']}}",
                   ".env": "A_PORT=eighty\n"}),
        ("KC508", {"docker-compose.yml": "services: {a: {image: 'a/b:1.0.0', volumes: ['./p/a.jar:/a.jar']}}",
                   "p/a.jar": "PK", ".gitignore": "*.jar\n!/p/a.jar\n"}),
        ("KC302", {"docker-compose.yml": "services: {a: {image: 'a/b:1.0.0'}}", ".env.example": "LEFT_OVER=\n"}),
    ],
)  # fmt: skip
def test_the_neighbours_that_are_defects_still_are(code: str, files: str | dict[str, str], lint: Lint) -> None:
    assert code in codes(lint(files))


REGISTRY = """
    image: confluentinc/cp-schema-registry:8.2.0
    environment:
      SCHEMA_REGISTRY_HOST_NAME: registry
      SCHEMA_REGISTRY_KAFKASTORE_BOOTSTRAP_SERVERS: kafka:9092
"""
STACK = f"services:\n  kafka:{BROKER}  registry:{REGISTRY}"
APP = "  app:\n    image: example.org/app:1.0.0\n"
DEBEZIUM = '"connector.class": "io.debezium.connector.mysql.MySqlConnector"'
FOLDED = """
  init:
    image: apache/kafka:4.1.0
    command: >
      bash -c "echo 'Waiting for Kafka' && nc -z kafka 9092 ;
      /opt/kafka/bin/kafka-topics.sh --bootstrap-server 'kafka:9099' --create --if-not-exists --topic 'a b'
      --partitions 3 --replication-factor '2' && echo done ; exit 0"
"""

TOLD = {
    # (code, text at each place, files)
    "a user interface asks the registry's published port": (
        "KC134", ["http://registry:18081"],
        (f"{STACK}    ports: ['127.0.0.1:18081:8081']\n"
        "  ui: {image: 'ghcr.io/kafbat/kafka-ui:v1.4.2', environment: "
        "[KAFKA_CLUSTERS_0_SCHEMAREGISTRY=http://registry:18081/api]}\n"),
    ),
    "no port in the address of a registry": (
        "KC134", ["'http://registry'"],
        f"{STACK}{APP}    command: [run, '--schema-registry', 'http://registry']\n",
    ),
    "a script that waits for the registry's wrong port": (
        "KC134", ["registry 8085"],
        f'{STACK}{APP}    command: bash -c "cub sr-ready registry 8085 40 && run"\n',
    ),
    "Connect on a port of its own": (
        "KC134", ["http://connect:8083"],
        (f"{STACK}  connect: {{image: 'quay.io/debezium/connect:3.2.0.Final', environment: "
        f"{{CONNECT_REST_PORT: 8084}}}}\n{APP}    environment: [CONNECT_URL=http://connect:8083]\n"),
    ),
    "Connect bound to its loopback, and published": (
        "KC135", ["http://localhost:8083"],
        ("services: {connect: {image: 'quay.io/debezium/connect:3.2.0.Final', ports: ['127.0.0.1:8083:8083'], "
        "environment: [CONNECT_LISTENERS=http://localhost:8083]}}"),
    ),
    "the official ZooKeeper on another port, with a chroot": (
        "KC112", ["zk:2182/kafka"],
        ("services: {zk: {image: 'zookeeper:3.9.3'}, k: {image: 'bitnamilegacy/kafka:3.6.0', environment: "
        "[KAFKA_CFG_ZOOKEEPER_CONNECT=zk:2182/kafka]}}"),
    ),
    "one of three ZooKeepers is misspelt": (
        "KC112", ["zoo2:2181"],
        ("services: {zk1: {image: 'bitnamilegacy/zookeeper:3.9.3'}, zk2: {image: 'bitnamilegacy/zookeeper:3.9.3'}, "
        "app: {image: 'example.org/app:1.0.0', environment: {ZOOKEEPER_HOSTS: 'zk1:2181,zoo2:2181'}}}"),
    ),
    "a worker without what its image asks for": (
        "KC113", ["environment"],
        ("services: {c: {image: 'confluentinc/cp-kafka-connect:8.2.0', environment: {CONNECT_GROUP_ID: a, "
        "CONNECT_BOOTSTRAP_SERVERS: 'k.example.org:9092'}}}"),
    ),
    "a controller that advertises": (
        "KC113", ["KAFKA_ADVERTISED_LISTENERS"],
        ("services: {c: {image: 'confluentinc/cp-kafka:8.2.0', environment: {CLUSTER_ID: MkU3OEVBNTcwNTJENDM2Qk, "
        "KAFKA_NODE_ID: 1, KAFKA_PROCESS_ROLES: controller, KAFKA_LISTENERS: 'CONTROLLER://:9093', "
        "KAFKA_CONTROLLER_LISTENER_NAMES: CONTROLLER, KAFKA_ADVERTISED_LISTENERS: 'CONTROLLER://c:9093', "
        "KAFKA_CONTROLLER_QUORUM_VOTERS: '1@c:9093'}}}"),
    ),
    "ZooKeeper's data below a bind mount, and postgres": (
        "KC151", ["./zk:/var/lib/zookeeper", "'pg:/var/lib/postgresql'"],
        ("services:\n  zk:\n    image: confluentinc/cp-zookeeper:7.9.0\n    volumes:\n      - ./zk:/var/lib/zookeeper\n"
        "    environment: [ZOOKEEPER_CLIENT_PORT=2181]\n"
        "  pg: {image: 'postgres:16.4-alpine', volumes: ['pg:/var/lib/postgresql']}\nvolumes: {pg: }\n"),
    ),
    "the registry's published port": (
        "KC136", ["'127.0.0.1:8085:8085'"],
        f"{STACK}    ports: ['127.0.0.1:8085:8085']\n",
    ),
    "another image of Bitnami": (
        "KC509", ["docker.io/bitnami/postgresql:16"],
        "services: {pg: {image: docker.io/bitnami/postgresql:16}}",
    ),
    "quotes inside a quoted entry": (
        "KC010", ['"kafka:9092"'],
        "services: {a: {image: 'a/b:1.0.0', environment: ['BOOTSTRAP_SERVERS=\"kafka:9092\"']}}",
    ),
    "a worker bound to its name": (
        "KC407", ["8083"],
        ("services:\n  connect:\n    image: quay.io/debezium/connect:3.2.0.Final\n    environment: "
        "[CONNECT_LISTENERS=http://connect:8083]\n    healthcheck: {test: curl -f http://localhost:8083/}\n"),
    ),
    "the second of two probes": (
        "KC407", ["9094"],
        (f"services:\n  kafka:{BROKER}    healthcheck:\n"
        "      test: bash -c 'nc -z localhost 9092 && nc -z localhost 9094 || exit 1'\n"),
    ),
    "Bitnami's tools end in .sh": (
        "KC413", ["kafka-topics"],
        "services: {k: {image: 'bitnamilegacy/kafka:3.9.0', healthcheck: {test: kafka-topics --list}}}",
    ),
    "Confluent's tools by the path of apache/kafka, in a script": (
        "KC413", ["/opt/kafka/bin/kafka-topics.sh"],
        ("services: {k: {image: 'confluentinc/cp-kafka:8.2.0', entrypoint: [bash, -c], command: "
        "['for t in a b; do /opt/kafka/bin/kafka-topics.sh --create --topic $$t; done']}}"),
    ),
    "curl in a health check of apache/kafka": (
        "KC413", ["curl"],
        "services: {k: {image: 'apache/kafka:4.1.0', healthcheck: {test: [CMD, curl, -f, 'http://localhost:9092']}}}",
    ),
    "one underscore too few in a listener's name": (
        "KC137", ["KAFKA_LISTENER_NAME_SASL_PLAINTEXT_SASL_ENABLED_MECHANISMS"],
        ("services: {k: {image: 'apache/kafka:4.1.0', environment: {KAFKA_LISTENERS: 'SASL_PLAINTEXT://:9092', "
        "KAFKA_LISTENER_NAME_SASL_PLAINTEXT_SASL_ENABLED_MECHANISMS: PLAIN}}}"),
    ),
    "a client by its value": (
        "KC131", ["'kafka:9099'"],
        f"{STACK}{APP}    environment: {{ORDERS_BUS: 'kafka:9099'}}\n",
    ),
    "a client inside JSON and inside options of the JVM": (
        "KC131", ["kafka:9099", "kafka:9098"],
        (f"{STACK}{APP}    environment:\n"
        "      SPRING_APPLICATION_JSON: '{\"spring.kafka.bootstrap-servers\":\"kafka:9099\"}'\n"
        "      JAVA_OPTS: -Xmx1g -Dspring.kafka.bootstrap-servers=kafka:9098\n"),
    ),
    "a health check of one service that asks another": (
        "KC131", ["kafka:9099"],
        f"{STACK}{APP}    healthcheck: {{test: 'kcat -L -b kafka:9099 || exit 1'}}\n",
    ),
    "a wait for a port that never opens": (
        "KC131", ["kafka 9099"],
        f"{STACK}{APP}    command: sh -c 'until nc -z kafka 9099; do sleep 1; done; run'\n",
    ),
    "a topic command in a folded and quoted string": ("KC131", ["kafka:9099"], f"services:\n  kafka:{BROKER}{FOLDED}"),
    "and its copies": ("KC141", ["--replication-factor '2"], (f"services:\n  kafka:{BROKER}"
                       f"{FOLDED.replace('9099', '9092')}")),
    "a seed of Redpanda that nobody is": (
        "KC161", ["red-1:33145"],
        ("services: {red-0: {image: 'redpandadata/redpanda:v25.1.1', command: 'redpanda start --smp 1 --seeds "
        "red-1:33145 --rpc-addr red-0:33145 --advertise-rpc-addr red-0:33145'}}"),
    ),
    "more threads than processors": (
        "KC162", ["'4'"],
        "services: {red: {image: 'redpandadata/redpanda:v25.1.1', cpus: 2, command: [redpanda, start, --smp, '4']}}",
    ),
    "a dead-letter topic of a source, in a flat file": (
        "KC701", ['"errors.deadletterqueue.topic.name"'],
        {"docker-compose.yml": "services: {c: {image: 'quay.io/debezium/connect:3.2.0.Final'}}",
         "register.json": f'{{{DEBEZIUM}, "errors.deadletterqueue.topic.name": "dlq"}}'},
    ),
    "a source in a folder that is mounted": (
        "KC701", ['"errors.tolerance"'],
        {"docker-compose.yml": "services: {c: {image: 'quay.io/debezium/connect:3.2.0.Final', "
         "volumes: ['./conf:/conf']}}",
         "conf/a.json": f'{{"name": "a", "config": {{{DEBEZIUM}, "errors.tolerance": "all"}}}}'},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TOLD)
def test_the_cousins_of_what_was_missed_are_told(name: str, lint: Lint) -> None:
    code, texts, files = TOLD[name]
    outcome = lint(files)
    assert not outcome.project.refusal
    assert [text_at(outcome, one) for one in outcome.result.findings if one.rule.code == code] == texts


LEFT_ALONE = {
    # (a code that must not speak, files)
    "a registry outside, and one for browsers": (
        "KC134",
        (f"{STACK}{APP}    environment: {{SCHEMA_REGISTRY_URL: 'https://psrc-1.example.org', "
        "CORS_ALLOWED_ORIGIN: 'http://registry:3000'}\n"),
    ),
    "a registry that listens where it is asked": (
        "KC134",
        (f"{STACK}      SCHEMA_REGISTRY_LISTENERS: http://0.0.0.0:9081\n"
        f"{APP}    environment: {{SCHEMA_REGISTRY_URL: 'http://registry:9081'}}\n"),
    ),
    "another server than those that are known": (
        "KC134",
        (f"{STACK}{APP}    environment: {{SCHEMA_REGISTRY_URL: 'http://karapace:8081'}}\n"
        "  karapace: {image: 'ghcr.io/aiven-open/karapace:5.0.3'}\n"),
    ),
    "a loopback listener that another container shares": (
        "KC135",
        (f"services:\n  kafka:{BROKER.replace('PLAINTEXT://:9092', 'PLAINTEXT://localhost:9092')}"
        "    ports: ['127.0.0.1:9092:9092']\n  proxy: {image: 'envoyproxy/envoy:v1.36.2', "
        "network_mode: 'service:kafka'}\n"),
    ),
    "ZooKeeper with a file of its own": (
        "KC112",
        ("services: {zk: {image: 'zookeeper:3.9.3', volumes: ['./zoo.cfg:/conf/zoo.cfg']}, "
        "k: {image: 'confluentinc/cp-kafka:7.9.0', environment: [KAFKA_ZOOKEEPER_CONNECT=zk:2182]}}"),
    ),
    "a start script that formats by itself": (
        "KC113",
        ("services: {k: {image: 'confluentinc/cp-kafka:7.2.1', command: 'bash -c /tmp/update_run.sh', environment: "
        "{KAFKA_NODE_ID: 1, KAFKA_PROCESS_ROLES: 'broker,controller'}}}"),
    ),
    "a variable that only the shell sets": (
        "KC113",
        ("services: {k: {image: 'confluentinc/cp-kafka:8.2.0', environment: {CLUSTER_ID: '${CLUSTER_ID}', "
        "KAFKA_PROCESS_ROLES: broker, KAFKA_ADVERTISED_LISTENERS: 'PLAINTEXT://k:9092'}}}"),
    ),
    "postgres 18 has its volume higher": (
        "KC151",
        "services: {pg: {image: 'postgres:18', volumes: ['pg:/var/lib/postgresql']}}\nvolumes: {pg: }\n",
    ),
    "a folder above, and the data on a mount of its own": (
        "KC151",
        ("services: {k: {image: 'confluentinc/cp-kafka:8.2.0', volumes: ['a:/var/lib/kafka', 'b:/var/lib/kafka/data'], "
        "environment: {KAFKA_NODE_ID: 1, KAFKA_PROCESS_ROLES: broker}}}\nvolumes: {a: , b: }\n"),
    ),
    "an agent and REST Proxy inside Confluent Server": (
        "KC136",
        ("services: {b: {image: 'confluentinc/cp-server:8.2.0', ports: ['127.0.0.1:8090:8090', '127.0.0.1:7071:7071'], "
        "environment: {KAFKA_NODE_ID: 1, KAFKA_PROCESS_ROLES: broker, "
        "KAFKA_ADVERTISED_LISTENERS: 'PLAINTEXT://b:9092', "
        "KAFKA_OPTS: '-javaagent:/agent.jar=7071:/agent.yml'}}}"),
    ),
    "Bitnami's latest, a digest, another registry": (
        "KC509",
        ("services: {a: {image: 'bitnami/kafka:latest'}, b: {image: 'public.ecr.aws/bitnami/kafka:3.9.0'}, "
        f"c: {{image: 'bitnami/redis:7@sha256:{'a' * 64}'}}, d: {{image: 'bitnami/mine:1', build: .}}}}"),
    ),
    "quotes that YAML or Compose takes away": (
        "KC010",
        {"docker-compose.yml": "services: {a: {image: 'a/b:1.0.0', env_file: [a.env], environment: {KAFKA_A: \"x\"}}}",
         "a.env": 'KAFKA_B="y"\n'},
    ),
    "a worker bound to its name and asked by it": (
        "KC407",
        ("services:\n  connect:\n    image: quay.io/debezium/connect:3.2.0.Final\n    hostname: connect\n"
        "    environment: [CONNECT_LISTENERS=http://connect:8083]\n    healthcheck: {test: curl -f http://connect:8083/}\n"),
    ),
    "tools that are there": (
        "KC413",
        ("services: {a: {image: 'confluentinc/cp-kafka:8.2.0', healthcheck: {test: 'kafka-topics --list'}},"
        " b: {image: 'apache/kafka:4.1.0', healthcheck: {test: [CMD, /opt/kafka/bin/kafka-topics.sh, --list]}},"
        " c: {image: 'bitnamilegacy/kafka:3.9.0', healthcheck: {test: 'kafka-topics.sh --list'}},"
        " d: {image: 'apache/kafka:4.1.0', command: [sh, -c, 'cd /opt/kafka/bin && ./kafka-topics.sh --list']},"
        " e: {image: 'apache/kafka:4.1.0', command: [sh, -c, 'PATH=$$PATH:/opt/kafka/bin; kafka-topics.sh --list']},"
        " f: {image: 'apache/kafka:4.1.0', command: [sh, -c, 'echo kafka-topics.sh is next']}}"),
    ),
    "a listener whose name has an underscore, twice in the variable; once with Bitnami": (
        "KC137",
        ("services: {k: {image: 'apache/kafka:4.1.0', environment: {KAFKA_LISTENERS: 'SASL_PLAINTEXT://:9092', "
        "KAFKA_LISTENER_NAME_SASL__PLAINTEXT_SASL_ENABLED_MECHANISMS: PLAIN}}, "
        "b: {image: 'bitnamilegacy/kafka:3.9.0', environment: {KAFKA_CFG_LISTENERS: 'SASL_PLAINTEXT://:9092', "
        "KAFKA_CFG_PROCESS_ROLES: broker, KAFKA_CFG_LISTENER_NAME_SASL_PLAINTEXT_SASL_ENABLED_MECHANISMS: PLAIN}}}"),
    ),
    "JMX, HTTP and exporters of a broker are not Kafka": (
        "KC131",
        (f"{STACK.replace('KAFKA_NODE_ID', 'KAFKA_JMX_PORT: 9101' + chr(10) + '      KAFKA_NODE_ID')}{APP}"
        "    environment: {METRICS_FROM: 'kafka:9101', REST_URL: 'http://kafka:8090', JMX_URL: 'kafka:9102'}\n"),
    ),
    "a client of a name that has a broker of another kind": (
        "KC131",
        (f"{STACK}{APP}    environment: {{MQTT_BROKER: 'mosquitto:1883'}}\n"
        "  mosquitto: {image: 'eclipse-mosquitto:2.0.22'}\n"),
    ),
    "Redpanda as it is meant to be": (
        "KC16",
        ("services: {red: {image: 'docker.redpanda.com/redpandadata/redpanda:v25.1.1', command: redpanda start --mode "
        "dev-container --kafka-addr internal://0.0.0.0:9092 --advertise-kafka-addr internal://red:9092 "
        "--pandaproxy-addr internal://0.0.0.0:8082 --advertise-pandaproxy-addr internal://red:8082 "
        "--rpc-addr red:33145 --advertise-rpc-addr red:33145}}"),
    ),
    "a sink that tolerates, a class that nobody knows, and a source that stops": (
        "KC701",
        {"docker-compose.yml": "services: {c: {image: 'quay.io/debezium/connect:3.2.0.Final'}}",
         "connectors/a.json": '{"name": "a", "config": {"connector.class": '
         '"io.debezium.connector.jdbc.JdbcSinkConnector", "errors.tolerance": "all", '
         '"errors.deadletterqueue.topic.name": "dlq"}}',
         "connectors/b.json": '{"connector.class": "org.example.Orders", "errors.tolerance": "all"}',
         "connectors/c.json": f'{{{DEBEZIUM}, "errors.tolerance": "none", "errors.deadletterqueue.topic.name": ""}}'},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LEFT_ALONE)
def test_what_only_looks_like_it_is_left_alone(name: str, lint: Lint) -> None:
    code, files = LEFT_ALONE[name]
    outcome = lint(files)
    assert not outcome.project.refusal
    assert [found for found in codes(outcome) if found.startswith(code)] == []


def test_the_quotes_of_a_list_entry_are_moved_around_the_whole(lint: Lint) -> None:
    outcome = lint('services:\n  a:\n    image: a/b:1.0.0\n    environment:\n      - KAFKA_A="x y"\n')
    (change,) = fix.plan(outcome.result, outcome.project)
    assert change.after == change.before.replace('KAFKA_A="x y"', '"KAFKA_A=x y"')
