"""The cousins of what is a defect of a node and looks like none, each beside what only looks like it."""

from __future__ import annotations

import re

import pytest

from backbone.lint.output import fix
from tests.lint.conftest import Lint, codes, told
from tests.lint.pieces import BROKER, STACK

DYNAMIC = BROKER.replace("VOTERS: 1@", "BOOTSTRAP_SERVERS: ")
BROKER_ALONE = """
  b:
    image: apache/kafka:4.1.0
    environment:
      KAFKA_NODE_ID: 2
      KAFKA_PROCESS_ROLES: broker
      KAFKA_LISTENERS: PLAINTEXT://:9092
      KAFKA_ADVERTISED_LISTENERS: PLAINTEXT://b:9092
      KAFKA_CONTROLLER_LISTENER_NAMES: CONTROLLER
      KAFKA_CONTROLLER_QUORUM_BOOTSTRAP_SERVERS: %s
"""

TOLD = {
    # (code, text at each place, files)
    "Connect bound to its loopback, and published": (
        "KC135", ["http://localhost:8083"],
        ("services: {connect: {image: 'quay.io/debezium/connect:3.2.0.Final', ports: ['127.0.0.1:8083:8083'], "
        "environment: [CONNECT_LISTENERS=http://localhost:8083]}}"),
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
    "no version of Kafka by Bitnami is left": ("KC509", ["bitnami/kafka"], "services: {k: {image: bitnami/kafka}}"),
    "tools in an image that has none": (
        "KC413", ["/opt/kafka/bin/kafka-topics.sh"],
        ("services: {k: {image: 'apache/kafka-native:4.1.0', healthcheck: {test: "
        "'/opt/kafka/bin/kafka-topics.sh --bootstrap-server localhost:9092 --list'}}}"),
    ),
    "a tool by a wrong name, in a hook": (
        "KC413", ["kafka-topics"],
        (f"services:\n  kafka:{BROKER}    post_start:\n"
        "      - command: kafka-topics --bootstrap-server kafka:9092 --create --topic a\n"),
    ),
    "a broker that looks for the quorum at the port for clients": (
        "KC106", ["kafka:9092"], f"services:\n  kafka:{DYNAMIC}{BROKER_ALONE % 'kafka:9092'}",
    ),
    "and at nobody": ("KC106", ["kaka:9093"], f"services:\n  kafka:{DYNAMIC}{BROKER_ALONE % 'kaka:9093,kafkaa:9093'}"),
    "localhost of a listener that is bound to its name, without a shell": (
        "KC407", ["9092"],
        (f"services:\n  kafka:{BROKER.replace('PLAINTEXT://:9092', 'PLAINTEXT://kafka:9092')}    healthcheck:\n"
        "      test: [CMD, /opt/kafka/bin/kafka-topics.sh, --bootstrap-server, 'localhost:9092', --list]\n"),
    ),
    "another id by broker.id": ("KC101", ["2"], f"services:\n  kafka:{BROKER}      KAFKA_BROKER_ID: 2\n"),
    "wurstmeister's image without a listener for brokers": (
        "KC122", ["INSIDE://:9092,OUTSIDE://_{HOSTNAME_COMMAND}:9094"],
        ("services:\n  k:\n    image: wurstmeister/kafka:2.13-2.8.1\n    environment:\n"
        "      HOSTNAME_COMMAND: hostname -f\n      KAFKA_ZOOKEEPER_CONNECT: zk.example.org:2181\n"
        "      KAFKA_LISTENERS: INSIDE://:9092,OUTSIDE://:9094\n"
        "      KAFKA_ADVERTISED_LISTENERS: INSIDE://:9092,OUTSIDE://_{HOSTNAME_COMMAND}:9094\n"
        "      KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT\n"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TOLD)
def test_the_cousins_of_what_was_missed_are_told(name: str, lint: Lint) -> None:
    code, texts, files = TOLD[name]
    assert told(lint(files), code) == texts


LEFT_ALONE = {
    # (a code that must not speak, files)
    "a loopback listener that another container shares": (
        "KC135",
        (f"services:\n  kafka:{BROKER.replace('PLAINTEXT://:9092', 'PLAINTEXT://localhost:9092')}"
        "    ports: ['127.0.0.1:9092:9092']\n  proxy: {image: 'envoyproxy/envoy:v1.36.2', "
        "network_mode: 'service:kafka'}\n"),
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
    "Bitnami's latest of something else, a digest, another registry": (
        "KC509",
        ("services: {a: {image: 'bitnami/redis:latest'}, b: {image: 'public.ecr.aws/bitnami/kafka:3.9.0'}, "
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
    "Redpanda as it is meant to be": (
        "KC16",
        ("services: {red: {image: 'docker.redpanda.com/redpandadata/redpanda:v25.1.1', command: redpanda start --mode "
        "dev-container --kafka-addr internal://0.0.0.0:9092 --advertise-kafka-addr internal://red:9092 "
        "--pandaproxy-addr internal://0.0.0.0:8082 --advertise-pandaproxy-addr internal://red:8082 "
        "--rpc-addr red:33145 --advertise-rpc-addr red:33145}}"),
    ),
    "a quorum that is found by one of two addresses, and a controller that knows it from its storage": (
        "KC106",
        f"services:\n  kafka:{DYNAMIC.replace('kafka:9093', 'gone:9093')}{BROKER_ALONE % 'gone:9093,kafka:9093'}",
    ),
    "a service that others extend and that never starts": (
        "KC1(0[1-7]|2)",
        (f"services:\n  base:{BROKER.replace('KAFKA_NODE_ID: 1', 'KAFKA_LOG_DIRS: /data')}    profiles: [never]\n"
        "  kafka: {extends: base, profiles: !reset [], environment: {KAFKA_NODE_ID: 1}, volumes: ['data:/data'], "
        "stop_grace_period: 60s}\nvolumes: {data: }\n"),
    ),
    "an image without tools, whose port is asked": (
        "KC413",
        "services: {k: {image: 'apache/kafka-native:4.1.0', healthcheck: {test: nc -z localhost 9092}}}",
    ),
    "REST Proxy inside confluent-local": (
        "KC136",
        "services: {k: {image: 'confluentinc/confluent-local:7.9.0', ports: ['127.0.0.1:8082:8082', '9092:9092']}}",
    ),
    "one id by two names": ("KC101", f"services:\n  kafka:{BROKER}      KAFKA_BROKER_ID: 1\n"),
}  # fmt: skip


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
