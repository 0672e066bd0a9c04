"""The cousins of what is a defect and looks like none, each beside what only looks like it."""

from __future__ import annotations

import re

import pytest

from backbone.lint.output import fix
from tests.lint.conftest import Lint, codes, text_at
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
    "a listener called SSL without the keystore that Confluent's image asks for": (
        "KC113", ["environment"],
        ("services: {k: {image: 'confluentinc/cp-kafka:7.9.0', environment: {KAFKA_BROKER_ID: 1, "
        "KAFKA_ZOOKEEPER_CONNECT: 'z.example.org:2181', KAFKA_ADVERTISED_LISTENERS: 'SSL://k:9093', "
        "KAFKA_SSL_KEYSTORE_LOCATION: /certs/k.jks}}}"),
    ),
    "one called SASL_PLAINTEXT without KAFKA_OPTS": (
        "KC113", ["environment"],
        ("services: {k: {image: 'confluentinc/cp-server:8.0.0', environment: {CLUSTER_ID: MkU3OEVBNTcwNTJENDM2Qk, "
        "KAFKA_NODE_ID: 1, KAFKA_PROCESS_ROLES: 'broker,controller', KAFKA_CONTROLLER_QUORUM_VOTERS: '1@k:9093', "
        "KAFKA_ADVERTISED_LISTENERS: 'SASL_PLAINTEXT://k:9092', KAFKA_CONTROLLER_LISTENER_NAMES: CONTROLLER}}}"),
    ),
    "KRaft and ZooKeeper at once, with Bitnami": (
        "KC113", ["'zk:2181'"],
        ("services: {k: {image: 'bitnamilegacy/kafka:3.7.0', environment: {KAFKA_CFG_NODE_ID: 0, "
        "KAFKA_CFG_PROCESS_ROLES: 'controller,broker', KAFKA_CFG_ZOOKEEPER_CONNECT: 'zk:2181', "
        "KAFKA_CFG_LISTENERS: 'PLAINTEXT://:9092,CONTROLLER://:9093', "
        "KAFKA_CFG_CONTROLLER_LISTENER_NAMES: CONTROLLER, KAFKA_CFG_CONTROLLER_QUORUM_VOTERS: '0@k:9093'}}}"),
    ),
    "Bitnami by variables without CFG": (
        "KC121", ["OUTSIDE://localhost:29092"],
        ("services: {k: {image: 'bitnamilegacy/kafka:3.9.0', environment: {KAFKA_CFG_NODE_ID: 0, "
        "KAFKA_CFG_PROCESS_ROLES: 'controller,broker', KAFKA_LISTENERS: 'PLAINTEXT://:9092,CONTROLLER://:9093', "
        "KAFKA_ADVERTISED_LISTENERS: 'PLAINTEXT://k:9092,OUTSIDE://localhost:29092', "
        "KAFKA_CFG_CONTROLLER_LISTENER_NAMES: CONTROLLER, KAFKA_CFG_CONTROLLER_QUORUM_VOTERS: '0@k:9093'}}}"),
    ),
    "variables of Bitnami's image, said once": (
        "KC006", ["KAFKA_CFG_DEFAULT_REPLICATION_FACTOR"],
        (f"services:\n  kafka:{BROKER}      KAFKA_CFG_DEFAULT_REPLICATION_FACTOR: 3\n"
        "      KAFKA_CFG_MIN_INSYNC_REPLICAS: 2\n"),
    ),
    "a list of brokers beside Redpanda, in the console's configuration": (
        "KC131", ["red-3:9092"],
        ("services: {red-0: {image: 'redpandadata/redpanda:v25.1.1', command: 'redpanda start --smp 1 --kafka-addr "
        "internal://0.0.0.0:9092 --advertise-kafka-addr internal://red-0:9092'}, console: {image: 'x:1', environment: "
        "{CONSOLE_CONFIG_FILE: 'kafka: {brokers: [\"red-0:9092\", \"red-3:9092\"]}'}}}"),
    ),
    "topics as wurstmeister's image makes them": (
        "KC006", ["KAFKA_CREATE_TOPICS"],
        f"services:\n  kafka:{BROKER}      KAFKA_CREATE_TOPICS: 'orders:3:1'\n",
    ),
    "a variable of the container that Compose reads first, in a command": (
        "KC305", ["$TOPIC", "$BROKER"],
        (f"{STACK}  init:\n    image: confluentinc/cp-kafka:8.2.0\n"
        "    environment: {TOPIC: a, BROKER: 'kafka:9092'}\n"
        "    command: sh -c 'kafka-topics --create --topic $TOPIC --bootstrap-server $BROKER'\n"),
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
    "variables that the container's shell reads, and one that both agree on": (
        "KC305",
        {"docker-compose.yml": f"{STACK}  init:\n    image: confluentinc/cp-kafka:8.2.0\n    environment: {{TOPIC: a, "
         "BROKER: 'kafka:9092'}\n    command: sh -c 'kafka-topics --create --topic $$TOPIC "
         "--bootstrap-server ${BROKER}'\n",
         ".env": "BROKER=kafka:9092\n"},
    ),
    "Bitnami's own ways: a keystore elsewhere, a migration, builds that start by themselves": (
        "KC1(01|11|13|24|25)",
        ("services: {a: {image: 'bitnamilegacy/kafka:3.7.0', environment: {KAFKA_CFG_NODE_ID: 0, "
        "KAFKA_CFG_PROCESS_ROLES: 'controller', KAFKA_CFG_ZOOKEEPER_CONNECT: 'zk.example.org:2181', "
        "KAFKA_CFG_ZOOKEEPER_METADATA_MIGRATION_ENABLE: 'true', KAFKA_CFG_LISTENERS: 'CONTROLLER://:9093', "
        "KAFKA_CFG_CONTROLLER_LISTENER_NAMES: CONTROLLER, KAFKA_CFG_CONTROLLER_QUORUM_VOTERS: '0@a:9093'}}, "
        "b: {image: 'bitnamilegacy/kafka:3.4', environment: {KAFKA_ENABLE_KRAFT: 'yes', "
        "KAFKA_CFG_ADVERTISED_LISTENERS: 'PLAINTEXT://b:9092'}}}"),
    ),
    "topics as wurstmeister's image makes them, where it is the image or a script of one's own": (
        "KC006",
        ("services: {a: {image: 'wurstmeister/kafka:2.13-2.8.1', environment: {KAFKA_CREATE_TOPICS: 'a:1:1', "
        "KAFKA_ZOOKEEPER_CONNECT: 'zk.example.org:2181', KAFKA_ADVERTISED_HOST_NAME: localhost}}, "
        "b: {image: 'apache/kafka:4.1.0', command: [/start.sh], environment: {KAFKA_CREATE_TOPICS: 'a:1:1'}}}"),
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


def test_the_quotes_of_a_list_entry_are_moved_around_the_whole(lint: Lint) -> None:
    outcome = lint('services:\n  a:\n    image: a/b:1.0.0\n    environment:\n      - KAFKA_A="x y"\n')
    (change,) = fix.plan(outcome.result, outcome.project)
    assert change.after == change.before.replace('KAFKA_A="x y"', '"KAFKA_A=x y"')
