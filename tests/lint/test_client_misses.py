"""The cousins of what is a defect between services and looks like none, each beside what only looks like it."""

from __future__ import annotations

import re

import pytest

from tests.lint.conftest import Lint, codes, told
from tests.lint.pieces import APP, BROKER, STACK

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
    "a list of brokers beside Redpanda, in the console's configuration": (
        "KC131", ["red-3:9092"],
        ("services: {red-0: {image: 'redpandadata/redpanda:v25.1.1', command: 'redpanda start --smp 1 --kafka-addr "
        "internal://0.0.0.0:9092 --advertise-kafka-addr internal://red-0:9092'}, console: {image: 'x:1', environment: "
        "{CONSOLE_CONFIG_FILE: 'kafka: {brokers: [\"red-0:9092\", \"red-3:9092\"]}'}}}"),
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
    "a broker in two variables, at the controllers' port": (
        "KC131", ["'9093'"],
        f"{STACK}{APP}    environment: {{EVENTS_KAFKA_HOST: kafka, EVENTS_KAFKA_PORT: '9093'}}\n",
    ),
    "brokers of Logstash, which writes => between the two": (
        "KC131", ["kafka:9096"],
        f"""{STACK}{APP}    command: logstash -e 'input {{ kafka {{ bootstrap_servers => "kafka:9096" }} }}'\n""",
    ),
    "a list of brokers in a configuration that a variable holds": (
        "KC131", ["kafka2:9092"],
        (f"{STACK}{APP}    environment:\n      CONSOLE_CONFIG_FILE: |\n        kafka:\n"
        '          brokers: ["kafka:9092", "kafka2:9092"]\n'),
    ),
    "lists of brokers in an inline config, as a block and in TOML": (
        "KC131", ["kafka:9097", "kafka:9098"],
        (f"{STACK}{APP}    configs: [a]\nconfigs:\n  a:\n    content: |\n      kafka:\n        addresses:\n"
        "          - kafka:9092\n          - kafka:9097\n      brokers = ['kafka:9098']\n"),
    ),
    "a listener for nobody: advertised on the host, published nowhere, at another port than its own": (
        "KC127", ["EXTERNAL://localhost:9094"],
        ("services:\n  kafka:\n    ports: ['9092:9092']"
        + BROKER.replace("PLAINTEXT://:9092,", "PLAINTEXT://:9092,EXTERNAL://:29092,").replace(
            "PLAINTEXT://kafka:9092", "PLAINTEXT://kafka:9092,EXTERNAL://localhost:9094")
        + "      KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: PLAINTEXT:PLAINTEXT,EXTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT\n"),
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
    "a flag with a longer name, as Jaeger's": (
        "KC131", ["kafka:9094"], f"{STACK}{APP}    command: [--kafka.consumer.brokers=kafka:9094]\n",
    ),
    "a list of brokers in SQL, and a property of librdkafka": (
        "KC131", ["kafka:9094", "kafka:9095"],
        f"{STACK}{APP}    command: \"run kafka_broker_list = 'kafka:9094' metadata.broker.list=kafka:9095\"\n",
    ),
    "a key in camel case, in an inline config": (
        "KC131", ["kafka:9094"],
        f"{STACK}{APP}    configs: [a]\nconfigs: {{a: {{content: 'clusters: [{{bootstrapServers: kafka:9094}}]'}}}}\n",
    ),
    "a health check without a shell that asks another": (
        "KC131", ["'kafka:9094'"],
        f"{STACK}{APP}    healthcheck: {{test: [CMD, kcat, -L, -b, 'kafka:9094']}}\n",
    ),
    "through a port of the host, to localhost": (
        "KC130", ["PLAINTEXT://localhost:9092"],
        (f"services:\n  kafka:{BROKER.replace('PLAINTEXT://kafka:9092', 'PLAINTEXT://localhost:9092')}"
        f"    ports: ['9092:9092']\n{APP}    environment: {{KAFKA_BROKERS: 'host.docker.internal:9092'}}\n"),
    ),
    "a worker without a scheme, as Control Center takes it": (
        "KC134", ["'connect:8084'"],
        (f"{STACK}  connect: {{image: 'quay.io/debezium/connect:3.2.0.Final'}}\n"
        f"{APP}    environment: {{CONTROL_CENTER_CONNECT_CONNECT-DEFAULT_CLUSTER: 'connect:8084'}}\n"),
    ),
    "a hook of the broker itself": (
        "KC131", ["kafka:9096"],
        (f"services:\n  kafka:{BROKER}    post_start:\n      - command: "
        "/opt/kafka/bin/kafka-topics.sh --bootstrap-server kafka:9096 --create --topic a\n"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TOLD)
def test_the_cousins_of_what_was_missed_are_told(name: str, lint: Lint) -> None:
    code, texts, files = TOLD[name]
    assert told(lint(files), code) == texts


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
    "ZooKeeper with a file of its own": (
        "KC112",
        ("services: {zk: {image: 'zookeeper:3.9.3', volumes: ['./zoo.cfg:/conf/zoo.cfg']}, "
        "k: {image: 'confluentinc/cp-kafka:7.9.0', environment: [KAFKA_ZOOKEEPER_CONNECT=zk:2182]}}"),
    ),
    "JMX, HTTP and exporters of a broker are not Kafka": (
        "KC131",
        (f"{STACK.replace('KAFKA_NODE_ID', 'KAFKA_JMX_PORT: 9101' + chr(10) + '      KAFKA_NODE_ID')}{APP}"
        "    environment: {METRICS_FROM: 'kafka:9101', REST_URL: 'http://kafka:8090', JMX_URL: 'kafka:9102'}\n"),
    ),
    "host and port of something else, and of a broker at the right port": (
        "KC131",
        (f"{STACK}{APP}    environment: {{KAFKA_HOST: kafka, KAFKA_PORT: 9092, BROKER_HOST: mosquitto, "
        "BROKER_PORT: 1883, KAFKA_UI_HOST: ui, KAFKA_UI_PORT: 8080, KAFKA_METRICS_HOST: kafka}\n"
        "  mosquitto: {image: 'eclipse-mosquitto:2.0.22'}\n"),
    ),
    "brokers of MQTT in a list, and an address that a comment holds": (
        "KC131",
        (f"{STACK}{APP}    configs: [a]\n  mosquitto: {{image: 'eclipse-mosquitto:2.0.22'}}\nconfigs:\n  a:\n"
        '    content: |\n      brokers: ["mosquitto:1883", "mosquitto2:1883"]\n      addresses:\n'
        "        - app:8080\n"),
    ),
    "a client of a name that has a broker of another kind": (
        "KC131",
        (f"{STACK}{APP}    environment: {{MQTT_BROKER: 'mosquitto:1883'}}\n"
        "  mosquitto: {image: 'eclipse-mosquitto:2.0.22'}\n"),
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
    "a flag about brokers of MQTT": (
        "KC131", f"{STACK}{APP}    command: [--mqtt.broker=mosquitto:1883, --kafka.brokers=kafka:9092]\n",
    ),
    "through a port of the host, and advertised so": (
        "KC130",
        (f"services:\n  kafka:{BROKER.replace('PLAINTEXT://kafka:9092', 'PLAINTEXT://host.docker.internal:9092')}"
        f"    ports: ['9092:9092']\n{APP}    environment: {{KAFKA_BROKERS: 'host.docker.internal:9092'}}\n"),
    ),
    "another port of a worker than its HTTP server's, for metrics": (
        "KC134",
        (f"{STACK}  connect: {{image: 'quay.io/debezium/connect:3.2.0.Final'}}\n"
        f"{APP}    environment: {{CONNECT_TARGETS: 'connect:9404'}}\n"),
    ),
    "a hook that asks the broker in its own container": (
        "KC131",
        (f"services:\n  kafka:{BROKER}    post_start:\n      - command: "
        "/opt/kafka/bin/kafka-topics.sh --bootstrap-server localhost:9092 --create --topic a\n"),
    ),
    "a broker whose file is a config of Compose": (
        "KC131",
        (f"services:\n  kafka:\n    image: apache/kafka:4.1.0\n    configs: [{{source: a, target: "
        "/mnt/shared/config/server.properties}]\n    environment: {KAFKA_HEAP_OPTS: -Xmx1g}\n"
        f"{APP}    environment: {{KAFKA_BROKERS: 'kafka:19092'}}\nconfigs: {{a: {{content: 'listeners=A://:19092'}}}}\n"),
    ),
}  # fmt: skip


def test_a_host_port_that_another_broker_publishes_is_told_as_its(lint: Lint) -> None:
    one = BROKER.replace("PLAINTEXT://kafka:9092", "PLAINTEXT://localhost:9092").replace("&broker", "")
    text = f"services:\n  a:{one.replace('@kafka', '@a')}    ports: ['127.0.0.1:9092:9092']\n"
    text += f"  b:{one.replace('@kafka', '@b')}    ports: ['127.0.0.1:9093:9092']\n"
    (judged,) = lint(text, select=("KC127",)).result.findings
    assert judged.finding.message == "b tells clients on the host to use localhost:9092, which leads to a"
    assert judged.finding.help == "advertise 9093"  # not to publish what is taken


def test_of_the_servers_those_of_the_kind_that_is_asked_are_offered(lint: Lint) -> None:
    connect = "  connect: {image: 'quay.io/debezium/connect:3.2.0.Final'}\n"
    text = f"{STACK}{connect}{APP}    environment: {{SCHEMA_REGISTRY_URL: 'http://regisrty:8081'}}\n"
    (judged,) = lint(text, select=("KC134",)).result.findings
    assert judged.finding.help == "the project has registry"


@pytest.mark.parametrize("name", LEFT_ALONE)
def test_what_only_looks_like_it_is_left_alone(name: str, lint: Lint) -> None:
    code, files = LEFT_ALONE[name]
    outcome = lint(files)
    assert not outcome.project.refusal
    assert [found for found in codes(outcome) if re.match(code, found)] == []
