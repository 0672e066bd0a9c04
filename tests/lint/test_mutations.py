"""This repository's own stack: clean as it is, and one planted defect for each rule is found where it was planted."""

from __future__ import annotations

import difflib
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from backbone.lint import engine
from backbone.lint import run as lint_run
from backbone.lint.rules import topics_as_code
from tests import ROOT

if TYPE_CHECKING:
    from pathlib import Path

KAFKA = "infra/05-messaging/kafka/docker-compose.yml"
COMMON = "infra/common/service.yml"
ROOT_FILE = "docker-compose.yml"
EXAMPLE = ".env.example"
CONTRACT = "schemas/contracts/events-topic-value/contract.yml"
ACCESS = topics_as_code.ACCESS.as_posix()
CONNECTOR = "infra/05-messaging/connect/connectors/postgres-archive.yml"
PARTS = (ROOT_FILE, "infra", "schemas", EXAMPLE, "policy.toml")
TOPICS_IMAGE = "apache/kafka:4.3.1"


@dataclass(frozen=True)
class Mutation:
    """One edit: the first match of a pattern becomes the replacement, and this rule must see it there."""

    code: str
    pattern: str
    replacement: str
    file: str = KAFKA


def service(body: str) -> str:
    """Return text that adds one more service, complete but for what `body` says of it."""
    return f"\nservices:\n  planted:\n    profiles: [messaging]\n{body}\n"


def planted(code: str, body: str) -> Mutation:
    """Plant a whole service: what a person adds who copies a snippet from somewhere."""
    return Mutation(code, r"\nservices:\n", service(body))


STANDARD = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
CLIENTS = """    image: apache/kafka:4.3.1
    environment:
      KAFKA_LISTENERS: CLIENTS://:9292
      KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: CLIENTS:{protocol}
{more}"""
NODE_2 = r'(?<=\n)      KAFKA_NODE_ID: "2"\n'
PORTS_2 = r'    ports:\n      - "(?=[^\n]*KAFKA_2_EXTERNAL_PORT)'
KAFKA_2 = r"\n  kafka-2:\n"

MUTATIONS = (
    Mutation("KC001", NODE_2, '      KAFKA_NODE_ID: "2"\n\tKAFKA_BROKER_RACK: a\n'),
    Mutation("KC002", NODE_2, '      KAFKA_NODE_ID: "2"\n      KAFKA_NODE_ID: "2"\n'),
    Mutation("KC003", KAFKA_2, "\n  kafka-2:\n    volume: []\n"),
    Mutation("KC004", KAFKA_2, "\n  kafka-2:  # planted\n    networks: !override [nowhere]\n"),
    Mutation("KC005", NODE_2, '      KAFKA_NODE_ID: "2"\n      KAFKA_NUM_IO_THREADS: 0010\n'),
    planted("KC010", '    image: redis:7.4.1\n    environment:\n      - MODE="fast"'),
    Mutation("KC006", "KAFKA_LOG_DIRS", "KAFKA_LOG_DIRZ"),
    Mutation("KC008", KAFKA_2, "\n  kafka-2:\n    env_file: https://example.com/kafka.env\n"),
    Mutation("KC009", KAFKA_2, "\n  kafka-2:\n    env_file: .\n"),
    Mutation("KC101", NODE_2, '      KAFKA_NODE_ID: "-2"\n'),
    Mutation("KC102", NODE_2, '      KAFKA_NODE_ID: "1"\n'),
    Mutation("KC103", NODE_2, '      KAFKA_NODE_ID: "4"\n'),
    Mutation("KC104", NODE_2, "      KAFKA_NODE_ID: 2\n      KAFKA_PROCESS_ROLES: broker\n"),
    Mutation("KC105", NODE_2, '      KAFKA_NODE_ID: "2"\n      KAFKA_CONTROLLER_QUORUM_VOTERS: 2@kafka-2:19093\n'),
    Mutation("KC106", r"2@kafka-2:", "2@kafka2:"),
    Mutation("KC107", r"2@kafka-2:\$\{KAFKA_CONTROLLER_PORT:-19093\}", "2@kafka-2:9093"),
    Mutation("KC108", r"2@kafka-2:[^\n]*\\\n *3@kafka-3:[^\n]*\"", '2@kafka-2:${KAFKA_CONTROLLER_PORT:-19093}"'),
    Mutation("KC109", NODE_2, '      KAFKA_NODE_ID: "2"\n      CLUSTER_ID: MkU3OEVBNTcwNTJENDM2Qg\n'),
    Mutation("KC110", r"\$\{CLUSTER_ID:-[^}]*\}", "local-kafka-cluster"),
    Mutation("KC111", r"  KAFKA_PROCESS_ROLES: [^\n]*\n", "  KAFKA_ZOOKEEPER_CONNECT: zookeeper:2181\n"),
    planted(
        "KC112",
        "    image: confluentinc/cp-kafka:7.9.0\n    environment: {KAFKA_ZOOKEEPER_CONNECT: 'planted-zk:2182'}\n"
        "  planted-zk:\n    image: confluentinc/cp-zookeeper:7.9.0\n    environment: {ZOOKEEPER_CLIENT_PORT: '2181'}",
    ),
    planted(
        "KC113", "    image: confluentinc/cp-schema-registry:8.2.0\n    environment: {SCHEMA_REGISTRY_DEBUG: 'true'}"
    ),
    Mutation("KC121", r"EXTERNAL://\$\{KAFKA_EXTERNAL_HOST", "HOST://${KAFKA_EXTERNAL_HOST"),
    Mutation("KC122", "KAFKA_INTER_BROKER_LISTENER_NAME: INTERNAL", "KAFKA_INTER_BROKER_LISTENER_NAME: REPLICATION"),
    Mutation(
        "KC123", r"KAFKA_ADVERTISED_LISTENERS: \"INTERNAL://kafka-1", 'KAFKA_ADVERTISED_LISTENERS: "INTERNAL://0.0.0.0'
    ),
    Mutation("KC124", r"CONTROLLER://kafka-2", "CONTROL://kafka-2"),
    Mutation("KC125", r"EXTERNAL://0\.0\.0\.0:\$\{KAFKA_2", "OUTSIDE://0.0.0.0:${KAFKA_2"),
    Mutation("KC126", r"EXTERNAL://0\.0\.0\.0:\$\{KAFKA_1_EXTERNAL_PORT:-9092\}", "EXTERNAL://0.0.0.0:19092"),
    Mutation("KC127", r"(KAFKA_EXTERNAL_HOST:-127\.0\.0\.1\}):\$\{KAFKA_2_EXTERNAL_PORT:-9094\}", r"\1:9095"),
    Mutation("KC128", r"(KAFKA_EXTERNAL_HOST:-127\.0\.0\.1\}):\$\{KAFKA_2_EXTERNAL_PORT:-9094\}", r"\1:9092"),
    Mutation(
        "KC129", r"KAFKA_ADVERTISED_LISTENERS: \"INTERNAL://kafka-2", 'KAFKA_ADVERTISED_LISTENERS: "INTERNAL://kafka-1'
    ),
    Mutation(
        "KC130",
        r"KAFKA_ADVERTISED_LISTENERS: \"INTERNAL://kafka-2",
        'KAFKA_ADVERTISED_LISTENERS: "INTERNAL://localhost',
    ),
    planted(
        "KC131",
        '    image: kafbat/kafka-ui:v1.5.0\n    environment: {KAFKA_CLUSTERS_0_BOOTSTRAPSERVERS: "kafka-1:9999"}',
    ),
    Mutation("KC132", PORTS_2, '    ports:\n      - "127.0.0.1:19093:19093"\n      - "'),
    planted("KC133", "    image: apache/kafka:4.3.1\n    ports: ['9999:9999']\n    environment: {JMX_PORT: '9999'}"),
    planted(
        "KC134",
        "    image: registry.example.com/app:1.0.0\n    environment: {REGISTRY: 'http://planted-registry:8082'}\n"
        "  planted-registry:\n    image: confluentinc/cp-schema-registry:8.2.0\n"
        "    environment: {SCHEMA_REGISTRY_HOST_NAME: planted-registry}",
    ),
    Mutation("KC135", r"EXTERNAL://0\.0\.0\.0:\$\{KAFKA_2", "EXTERNAL://127.0.0.1:${KAFKA_2"),
    Mutation("KC136", PORTS_2, '    ports:\n      - "127.0.0.1:9990:9990"\n      - "'),
    Mutation("KC137", NODE_2, '      KAFKA_NODE_ID: "2"\n      KAFKA_LISTENER_NAME_HOST_MAX_CONNECTIONS: "10"\n'),
    Mutation("KC141", 'KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: "3"', 'KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: "5"'),
    Mutation("KC142", 'KAFKA_MIN_INSYNC_REPLICAS: "2"', 'KAFKA_MIN_INSYNC_REPLICAS: "4"'),
    Mutation("KC143", 'KAFKA_MIN_INSYNC_REPLICAS: "2"', 'KAFKA_MIN_INSYNC_REPLICAS: "3"'),
    Mutation("KC144", 'KAFKA_MIN_INSYNC_REPLICAS: "2"', 'KAFKA_MIN_INSYNC_REPLICAS: "1"'),
    Mutation("KC145", 'KAFKA_AUTO_CREATE_TOPICS_ENABLE: "false"', 'KAFKA_AUTO_CREATE_TOPICS_ENABLE: "true"'),
    Mutation("KC146", 'KAFKA_UNCLEAN_LEADER_ELECTION_ENABLE: "false"', 'KAFKA_UNCLEAN_LEADER_ELECTION_ENABLE: "true"'),
    Mutation("KC147", "KAFKA_LOG_DIRS: /var/lib/kafka/data", "KAFKA_LOG_DIRS: /tmp/kafka-logs"),
    Mutation("KC148", r"/kafka/kafka-2:/var", "/kafka/kafka-1:/var"),
    Mutation("KC149", r"\$\{DEFAULT_MESSAGE_BROKER_DIR:-[^}]*\}/kafka/kafka-2:/var", "./data/kafka-2:/var"),
    Mutation("KC150", r"KAFKA_HEAP_OPTS: \$\{[^}]*\}", "KAFKA_HEAP_OPTS: -Xmx1g"),
    Mutation("KC151", r"/kafka/kafka-2:/var/lib/kafka/data", "/kafka/kafka-2:/var/lib/kafka"),
    planted(
        "KC161",
        "    image: redpandadata/redpanda:v25.1.1\n    command: [redpanda, start, --smp, '1', --seeds, 'away:33145']",
    ),
    planted("KC162", "    image: redpandadata/redpanda:v25.1.1\n    command: [redpanda, start]"),
    Mutation(
        "KC171",
        NODE_2,
        '      KAFKA_NODE_ID: "2"\n      KAFKA_ALLOW_EVERYONE_IF_NO_ACL_FOUND: "true"\n'
        f"      KAFKA_AUTHORIZER_CLASS_NAME: {STANDARD}\n",
    ),
    Mutation(
        "KC172",
        NODE_2,
        '      KAFKA_NODE_ID: "2"\n      KAFKA_SUPER_USERS: User:admin;User:ANONYMOUS\n'
        f"      KAFKA_AUTHORIZER_CLASS_NAME: {STANDARD}\n",
    ),
    Mutation(
        "KC173",
        NODE_2,
        '      KAFKA_NODE_ID: "2"\n      KAFKA_AUTHORIZER_CLASS_NAME: kafka.security.authorizer.AclAuthorizer\n',
    ),
    Mutation(
        "KC174",
        NODE_2,
        '      KAFKA_NODE_ID: "2"\n      KAFKA_LISTENER_NAME_EXTERNAL_SCRAM_SHA_512_SASL_JAAS_CONFIG: a.Module;\n',
    ),
    Mutation(
        "KC175",
        "INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT,EXTERNAL:PLAINTEXT",
        "INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT,EXTERNAL:TLS",
    ),
    planted("KC176", CLIENTS.format(protocol="SASL_PLAINTEXT", more="    ports: ['9292:9292']")),
    planted(
        "KC177",
        CLIENTS.format(protocol="SASL_SSL", more="      KAFKA_SASL_ENABLED_MECHANISMS: PLAIN")
        + "\n      KAFKA_INTER_BROKER_LISTENER_NAME: CLIENTS",
    ),
    Mutation("KC178", NODE_2, f'      KAFKA_NODE_ID: "2"\n      KAFKA_AUTHORIZER_CLASS_NAME: {STANDARD}\n'),
    Mutation("KC179", NODE_2, '      KAFKA_NODE_ID: "2"\n      KAFKA_SUPER_USERS: User:admin\n'),
    Mutation(
        "KC180",
        NODE_2,
        '      KAFKA_NODE_ID: "2"\n      KAFKA_SUPER_USERS: User:admin,User:kafka\n'
        f"      KAFKA_AUTHORIZER_CLASS_NAME: {STANDARD}\n",
    ),
    Mutation(
        "KC181",
        NODE_2,
        '      KAFKA_NODE_ID: "2"\n      KAFKA_SUPER_USERS: User:kafka-2;User:kafka-connect\n'
        f"      KAFKA_AUTHORIZER_CLASS_NAME: {STANDARD}\n",
    ),
    Mutation("KC301", NODE_2, '      KAFKA_NODE_ID: "2"\n      KAFKA_NUM_IO_THREADS: ${KAFKA_IO_THREADS:-4}\n'),
    Mutation("KC302", r"\Z", "\nKAFKA_FORGOTTEN_SETTING=1\n", EXAMPLE),
    Mutation("KC303", r"\$\{KAFKA_MEM_LIMIT:-1280m\}", "${KAFKA_MEMORY_LIMIT}"),
    Mutation("KC304", r"(?m)^KAFKA_2_EXTERNAL_PORT=.*$", "KAFKA_2_EXTERNAL_PORT=94094", EXAMPLE),
    Mutation("KC305", NODE_2, '      KAFKA_NODE_ID: "2"\n      KAFKA_OPTS: -Drack=${KAFKA_BROKER_RACK:-none}\n'),
    Mutation("KC306", r"\$\{KAFKA_MEM_LIMIT:-1280m\}", "${KAFKA_MEM_LIMIT:-1536m}"),
    Mutation("KC307", r"\Z", "\nREGISTRY_PASSWORD=tr0ub4dor\n", EXAMPLE),
    Mutation("KC308", r"KAFKA_INTERNAL_PORT:-19092(?=\}\"\])", "KAFKA_INTERNAL_PORT:-29092"),
    Mutation("KC401", r"healthcheck: \*kafka-health", "healthcheck: {disable: true}"),
    planted(
        "KC402",
        "    image: redis:7.4.1\n    depends_on: {planted-db: {condition: service_healthy}}\n"
        "  planted-db:\n    image: redis:7.4.1\n    profiles: [messaging]",
    ),
    planted(
        "KC403",
        f"    image: {TOPICS_IMAGE}\n"
        '    command: [bash, -ec, "kafka-topics.sh --bootstrap-server kafka-1:19092 --create --topic a"]',
    ),
    planted(
        "KC404",
        f"    image: {TOPICS_IMAGE}\n    restart: always\n"
        '    command: [bash, -ec, "kafka-topics.sh --bootstrap-server kafka-1:19092 --create --topic a"]\n'
        "  planted-app:\n    image: registry.example.com/app:1.0.0\n    profiles: [messaging]\n"
        "    depends_on: {planted: {condition: service_completed_successfully}}",
    ),
    planted(
        "KC405",
        f"    image: {TOPICS_IMAGE}\n"
        '    command: [bash, -c, "kafka-topics.sh --bootstrap-server kafka-1:19092 --create; echo done"]',
    ),
    Mutation("KC406", r"(interval: \d+s\n      timeout:) \d+s", r"\1 60s"),
    Mutation("KC407", r"\$\{KAFKA_INTERNAL_PORT:-19092\}\"\]", '9999"]'),
    planted(
        "KC408",
        "    image: registry.example.com/app:1.0.0\n    depends_on: [planted-db]\n"
        "  planted-db:\n    image: redis:7.4.1\n    profiles: [data]",
    ),
    Mutation("KC409", r"(?<=\n)  stop_grace_period: \d+s", "  stop_grace_period: 5s"),
    Mutation(
        "KC410",
        r"    logging:\n      driver: json-file\n      options:\n(        [^\n]*\n)+",
        "    logging: {driver: json-file}\n",
        COMMON,
    ),
    Mutation("KC411", r"\nservices:\n", service("    image: registry.example.com/app:1.0.0")),
    Mutation(
        "KC412",
        KAFKA_2,
        "\n  planted: {image: confluentinc/cp-kafka:8.3.0}\n"
        "  planted-registry: {image: confluentinc/cp-schema-registry:7.5.0}\n  kafka-2:\n",
    ),
    planted(
        "KC413",
        f"    image: {TOPICS_IMAGE}\n    healthcheck: {{test: [CMD-SHELL, 'kafka-topics.sh --list']}}\n"
        "    environment: {KAFKA_NODE_ID: '9'}",
    ),
    Mutation("KC501", KAFKA_2, "\n  kafka-2:\n    networks: {infra_net: {ipv4_address: 172.19.0.12}}\n"),
    Mutation("KC502", r"\$\{BIND_ADDRESS:-127\.0\.0\.1\}:\$\{KAFKA_2_EXTERNAL_PORT:-9094\}", "127.0.0.1:9092"),
    Mutation("KC503", r"\$\{BIND_ADDRESS:-127\.0\.0\.1\}:(?=\$\{KAFKA_2)", ""),
    Mutation("KC504", NODE_2, '      KAFKA_NODE_ID: "2"\n      KAFKA_SSL_KEY_PASSWORD: tr0ub4dor\n'),
    Mutation(
        "KC505",
        r"\nservices:\n",
        "\nsecrets: {planted: {file: ./planted.txt}}\nservices:\n  planted:\n"
        "    image: redis:7.4.1\n    secrets: [planted]\n",
    ),
    planted("KC506", "    image: kafbat/kafka-ui:latest"),
    Mutation(
        "KC508",
        r"    volumes:\n(?=[^\n]*kafka/kafka-2:/var)",
        "    volumes:\n      - ./docker-compose.yml:/opt/a.jar:ro\n",
    ),
    planted("KC509", "    image: bitnami/postgresql:17.2.0"),
    Mutation("KC601", r"(?<=\n)  profiles: \[messaging\]", "  profiles: [data]"),
    Mutation("KC602", r'(?<=KAFKA_NODE_ID: "3"\n)', "      KAFKA_PROCESS_ROLES: controller\n"),
    Mutation("KC603", KAFKA_2, "\n  kafka-2:\n    networks: !override [default]\n"),
    planted("KC604", "    image: redis:7.4.1"),
    Mutation(
        "KC605",
        r"\$\{BIND_ADDRESS:-127\.0\.0\.1\}:\$\{KAFKA_2_EXTERNAL_PORT:-9094\}",
        "${BIND_ADDRESS:-127.0.0.1}:9095",
    ),
    planted(
        "KC701",
        "    image: quay.io/debezium/connect:3.2.0.Final\n    command:\n      - bash\n      - -c\n      - |\n"
        "        curl -X PUT http://planted:8083/connectors/a/config -d '\n"
        '        {"connector.class": "io.debezium.connector.mysql.MySqlConnector",\n'
        '         "errors.tolerance": "all"}\'',
    ),
    Mutation("KC702", r"retention\.ms", "retentoin.ms", file=topics_as_code.TOPICS.as_posix()),
    Mutation("KC703", r"topic: events-topic\n", "topic: event-topic\n", file=CONTRACT),
    Mutation("KC704", r"topics: events-topic\n", "topics: event-topic\n", file=CONNECTOR),
    Mutation("KC705", r'tasks.max: "2"', "tasks.max: 2", file=CONNECTOR),
    Mutation(
        "KC706", r"do: \[read, write, describe_configs\], topics: \[events-topic\]", 'do: [all], topics: ["*"]', ACCESS
    ),
)


def copy_of_the_stack(folder: Path) -> Path:
    """Copy what Compose and the linter read of this repository."""
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part)
        elif source.is_file():
            shutil.copy(source, folder / part)
    return folder


def changed_lines(before: str, after: str) -> set[int]:
    """Return the new text's lines that an edit made, or the two around what it took out."""
    lines: set[int] = set()
    for tag, _, _, first, last in difflib.SequenceMatcher(None, before.split("\n"), after.split("\n")).get_opcodes():
        if tag != "equal":
            lines |= set(range(first + 1, last + 1)) or {first, first + 1}
    return lines


def test_the_stack_is_clean() -> None:
    outcome = lint_run.run(lint_run.Request(ROOT, env_files=(ROOT / EXAMPLE,), environ={}))
    assert [(found.rule.code, found.path, found.finding.at.line) for found in outcome.result.findings] == []
    assert not outcome.result.crashes


def test_every_rule_has_its_mutation() -> None:
    # An ignore that hides nothing needs an ignore: its own test plants one.
    assert {mutation.code for mutation in MUTATIONS} | {engine.UNUSED_IGNORE} == engine.load_rules().keys()


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.code)
def test_a_planted_defect_is_found_where_it_was_planted(mutation: Mutation, tmp_path: Path) -> None:
    stack = copy_of_the_stack(tmp_path)
    file = stack / mutation.file
    before = file.read_text(encoding="utf-8")
    after, count = re.subn(mutation.pattern, mutation.replacement, before, count=1)
    assert count == 1
    file.write_text(after, encoding="utf-8")
    # The values of .env.example are the defaults; a mutation of a default must not be hidden by them.
    env = () if mutation.file != EXAMPLE else (file,)
    outcome = lint_run.run(lint_run.Request(stack, env_files=env, environ={}))
    found = {
        (flagged.path, line)
        for flagged in outcome.result.findings
        if flagged.rule.code == mutation.code
        for line in range(flagged.finding.at.line, flagged.finding.at.end_line + 1)
    }
    edited = {(mutation.file, line) for line in changed_lines(before, after)}
    assert found & edited, (sorted(found), sorted(edited), outcome.project.refusal)
