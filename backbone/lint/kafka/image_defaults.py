"""What Kafka's images set by themselves, and by which other names they are told (ADR 0078)."""

from __future__ import annotations

APACHE_IMAGE = {
    # docker/server.properties of apache/kafka: used as it is when no variable sets a property.
    "node.id": "1",
    "process.roles": "broker,controller",
    "listeners": "PLAINTEXT://:9092,CONTROLLER://:9093",
    "advertised.listeners": "PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093",
    "controller.listener.names": "CONTROLLER",
    "controller.quorum.voters": "1@localhost:9093",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "log.dirs": "/tmp/kraft-combined-logs",  # noqa: S108 - what the image does, not what we do
}

RELEASED_4 = {
    # config/server.properties of Kafka 4, by which its own script starts a node: not what apache/kafka starts with.
    **{name: value for name, value in APACHE_IMAGE.items() if name != "controller.quorum.voters"},
    "controller.quorum.bootstrap.servers": "localhost:9093",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,"
    "SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL",
}

RELEASED_KRAFT = {
    # config/kraft/server.properties of Kafka 3.
    **{name: value for name, value in RELEASED_4.items() if not name.startswith(("share.", "controller.quorum."))},
    "controller.quorum.voters": "1@localhost:9093",
    "advertised.listeners": "PLAINTEXT://localhost:9092",
}

DEVELOPMENT_FACTORS = {
    # Kafka's own config/server.properties, for one broker on one machine: what Bitnami's start script begins with
    # (libkafka.sh, kafka_initialize; it takes the listeners, the roles and the ids out).
    name: value
    for name, value in APACHE_IMAGE.items()
    if name.startswith(("offsets.", "transaction.", "share."))
}

RELEASED_ZOOKEEPER = {
    # config/server.properties of Kafka 3 and before.
    **{name: value for name, value in DEVELOPMENT_FACTORS.items() if not name.startswith("share.")},
    "broker.id": "0",
    "zookeeper.connect": "localhost:2181",
    "log.dirs": "/tmp/kafka-logs",  # noqa: S108 - what Kafka does, not what we do
}

BITNAMI_OLD_NAMES = frozenset(
    # kafka_create_alias_environment_variables of Bitnami's libkafka.sh.
    {"ADVERTISED_LISTENERS", "BROKER_ID", "NODE_ID", "CONTROLLER_QUORUM_VOTERS", "PROCESS_ROLES",
     "DEFAULT_REPLICATION_FACTOR", "DELETE_TOPIC_ENABLE", "INTER_BROKER_LISTENER_NAME", "LISTENERS",
     "LISTENER_SECURITY_PROTOCOL_MAP", "LOG_DIRS", "LOG_FLUSH_INTERVAL_MESSAGES", "LOG_FLUSH_INTERVAL_MS",
     "LOG_MESSAGE_FORMAT_VERSION", "LOG_RETENTION_BYTES", "LOG_RETENTION_HOURS", "LOG_SEGMENT_BYTES",
     "MESSAGE_MAX_BYTES", "NUM_IO_THREADS", "NUM_NETWORK_THREADS", "NUM_PARTITIONS",
     "NUM_RECOVERY_THREADS_PER_DATA_DIR", "OFFSETS_TOPIC_REPLICATION_FACTOR", "SOCKET_RECEIVE_BUFFER_BYTES",
     "SOCKET_REQUEST_MAX_BYTES", "SOCKET_SEND_BUFFER_BYTES", "SSL_ENDPOINT_IDENTIFICATION_ALGORITHM",
     "TRANSACTION_STATE_LOG_MIN_ISR", "TRANSACTION_STATE_LOG_REPLICATION_FACTOR", "ZOOKEEPER_CONNECT",
     "ZOOKEEPER_CONNECTION_TIMEOUT_MS", "AUTO_CREATE_TOPICS_ENABLE"}
)  # fmt: skip

BITNAMI_OTHER_NAMES = {
    "KAFKA_LOGS_DIRS": "KAFKA_LOG_DIRS",
    "KAFKA_SEGMENT_BYTES": "KAFKA_LOG_SEGMENT_BYTES",
    "KAFKA_MAX_MESSAGE_BYTES": "KAFKA_MESSAGE_MAX_BYTES",
}

BITNAMI_CHANGED = ((3, 3), (3, 6))
"""Of these versions some builds start in KRaft mode with listeners of their own when nothing is said, others do not."""

CONFLUENT_LOCAL = {
    # etc/confluent/docker/configureDefaults of confluent-local: each where no variable says otherwise.
    "node.id": "1",
    "process.roles": "broker,controller",
    "listeners": "PLAINTEXT://localhost:29092,CONTROLLER://localhost:29093,PLAINTEXT_HOST://0.0.0.0:9092",
    "advertised.listeners": "PLAINTEXT://localhost:29092,PLAINTEXT_HOST://localhost:9092",
    "controller.listener.names": "CONTROLLER",
    "controller.quorum.voters": "1@localhost:29093",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PLAINTEXT_HOST:PLAINTEXT",
    "inter.broker.listener.name": "PLAINTEXT",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "log.dirs": "/tmp/kraft-combined-logs",  # noqa: S108 - what the image does, not what we do
}
