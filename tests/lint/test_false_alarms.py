"""The cousins of what looks like a defect and is none; those whose neighbours are defects are told apart."""

from __future__ import annotations

import pytest

from backbone.lint.model import Severity
from tests.lint.conftest import Lint, codes
from tests.lint.pieces import BROKER

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


@pytest.mark.parametrize(
    ("image", "severity"),
    [
        ("apache/kafka:4.1.0", Severity.ERROR),
        ("confluentinc/cp-schema-registry:8.2.0", Severity.ERROR),
        ("postgres:17", Severity.ERROR),
        ("docker.io/library/redis:8", Severity.ERROR),
        ("localstack/localstack:4.9", Severity.WARNING),  # these hold one
        ("openzipkin/zipkin:3.5", Severity.WARNING),
        ("shop/orders", Severity.WARNING),  # and this may
    ],
)
def test_a_wait_for_health_is_an_error_where_the_image_is_known_to_have_no_check(
    image: str, severity: Severity, lint: Lint
) -> None:
    text = (
        f"services: {{a: {{image: '{image}'}}, b: {{image: 'x:1', depends_on: {{a: {{condition: service_healthy}}}}}}}}"
    )
    (judged,) = lint(text, select=("KC402",)).result.findings
    assert judged.severity == severity


def test_a_stack_that_forgets_or_has_a_zookeeper_by_intention_ends_with_zero(lint: Lint) -> None:
    text = (
        "services: {z: {image: 'confluentinc/cp-zookeeper:7.4.0', environment: {ZOOKEEPER_CLIENT_PORT: 2181}}, "
        "k: {image: 'confluentinc/cp-kafka:7.4.0', environment: {KAFKA_BROKER_ID: 1, "
        "KAFKA_ZOOKEEPER_CONNECT: 'z:2181', KAFKA_ADVERTISED_LISTENERS: 'PLAINTEXT://k:9092', "
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: 1, "
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: 1, KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: 1}%s}}\n"
    )
    told = lint(text % "", hygiene=False).result.findings
    assert {judged.rule.code for judged in told} >= {"KC111", "KC147"}
    assert {judged.severity for judged in told} == {Severity.INFO}
    certificates = lint({"docker-compose.yml": text % ", volumes: ['./a:/etc/kafka/secrets']"}, select=("KC147",))
    assert [judged.severity for judged in certificates.result.findings] == [Severity.INFO]
    own = lint({"docker-compose.yml": text % "", "policy.toml": ""}, select=("KC111", "KC147")).result.findings
    assert {judged.severity for judged in own} == {Severity.WARNING}
    missed = lint({"docker-compose.yml": text % ", volumes: ['./a:/data']", "policy.toml": ""}, select=("KC147",))
    assert [judged.severity for judged in missed.result.findings] == [Severity.WARNING]


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("a toolbox", ("services: {k: {image: 'apache/kafka:4.1.0'}, a: {image: 'x:1', command: tail -f /dev/null, "
                      "environment: {KAFKA_BROKERS: 'localhost:9999'}}}")),
        ("no worker at all", ("services: {s: {image: 'confluentinc/cp-schema-registry:8.2.0'}, a: {image: 'x:1', "
                             "environment: {KSQL_KSQL_CONNECT_URL: 'http://connect:8083'}}}")),
        ("plain text needs it", ("services: {k: {image: 'apache/kafka:4.1.0', environment: {KAFKA_NODE_ID: 1, "
                                "KAFKA_PROCESS_ROLES: broker, KAFKA_SUPER_USERS: 'User:ANONYMOUS', "
                                "KAFKA_AUTHORIZER_CLASS_NAME: x.y.Z}}}")),
    ],
)  # fmt: skip
def test_what_may_be_meant_so_is_a_warning(name: str, files: str, lint: Lint) -> None:
    found = lint(files, select=("KC131", "KC134", "KC172")).result.findings
    assert [judged.severity for judged in found] == [Severity.WARNING], name


def test_profiles_that_are_given_together_are_a_warning_without_a_policy(lint: Lint) -> None:
    text = (
        "services: {kafka: {image: 'apache/kafka:4.1.0', profiles: [kafka, all]}, "
        "setup: {image: 'x:1', profiles: [setup, all], depends_on: [kafka]}%s}"
    )
    (foreign,) = lint(text % "", select=("KC408",)).result.findings
    (own,) = lint({"docker-compose.yml": text % "", "policy.toml": ""}, select=("KC408",)).result.findings
    assert (foreign.severity, own.severity) == (Severity.WARNING, Severity.ERROR)
    always = lint({"docker-compose.yml": text % ", app: {image: 'x:1', depends_on: [kafka]}"}, select=("KC408",))
    assert [judged.severity for judged in always.result.findings if judged.finding.service == "app"] == [Severity.ERROR]


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
