#!/usr/bin/env bash
# usage: create-topics.sh TOPICS.YML [--print]
# Makes the topics of the file that are missing, with nothing but bash, awk and Kafka's own tool; what is there
# already stays as it is. Knows just the form that schemas/topics.schema.json allows, and refuses any other line
# rather than guess. --print: say what would be made.
set -euo pipefail

options() {
    awk '
        function fail() { print FILENAME ":" FNR ": not understood: " $0 > "/dev/stderr"; bad = 1; exit 1 }
        function value(text) {
            sub(/^[^:]*:[ ]*/, "", text); sub(/[ ]+#.*$/, "", text); gsub(/^["\047]|["\047]$/, "", text)
            if (text ~ /[ "\047]/) fail()
            return text
        }
        function flush() { if (name != "") print name partitions replicas config; name = partitions = replicas = config = "" }
        /^[ ]*(#.*)?$/ || /^(topics:|---)[ ]*$/ { next }
        /^  - name: / { flush(); name = "--topic " value($0); next }
        name == "" { fail() }
        /^    partitions: [0-9]+/ { partitions = " --partitions " value($0); next }
        /^    replicas: [0-9]+/ { replicas = " --replication-factor " value($0); next }
        /^    config:[ ]*$/ { next }
        /^      [a-z.]+: ./ { key = $1; sub(/:$/, "", key); config = config " --config " key "=" value($0); next }
        { fail() }
        END { if (!bad) flush() }
    ' "$1"
}

lines=$(options "$1")
if [[ ${2-} == --print ]]; then
    printf '%s\n' "$lines"
    exit
fi
while read -r -a line; do
    /opt/kafka/bin/kafka-topics.sh --bootstrap-server "$BOOTSTRAP_SERVERS" \
        ${COMMAND_CONFIG:+--command-config "$COMMAND_CONFIG"} --create --if-not-exists "${line[@]}"
done <<< "$lines"
