#!/usr/bin/env bash
# shellcheck disable=SC2086 # options are words
exec java ${KAFKA_HEAP_OPTS-} ${KAFKA_JVM_PERFORMANCE_OPTS-} ${KAFKA_OPTS-} \
    -Dlog4j2.configurationFile=/etc/kafka/docker/log4j2.yaml -cp "${CLASSPATH:-/opt/kafka/libs/*}" "$@"
