"""The program in the place of Java: it takes the command lines that the engine has for a Kafka node.

They are the class that writes server.properties and formats the log directories, and kafka.Kafka itself, which node.py
stands in for. A stack of three is up in a second.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

_SETUP = "kafka.docker.KafkaDockerWrapper"
_HOSTS = "-Djdk.net.hosts.file="
VARIABLES = ("KAFKA_LISTENERS", "KAFKA_ADVERTISED_LISTENERS", "KAFKA_LOG_DIRS", "KAFKA_NODE_ID", "CLUSTER_ID")


def set_up(environment: dict[str, str], final: Path) -> int:
    """Write the node's configuration and format its log directories; what is formatted already is an error."""
    logging = Path(sys.argv[sys.argv.index("-D") + 1], "log4j2.yaml").read_text(encoding="utf-8")
    (final / "log4j2.yaml").write_text(logging, encoding="utf-8")
    values = {name: environment[name] for name in VARIABLES}
    (final / "server.properties").write_text(json.dumps(values), encoding="utf-8")
    for folder in map(Path, values["KAFKA_LOG_DIRS"].split(",")):
        if (folder / "meta.properties").exists():
            sys.stderr.write(f"Log directory {folder} is already formatted.\n")
            return 1
        text = f"cluster.id={values['CLUSTER_ID']}\nnode.id={values['KAFKA_NODE_ID']}\nversion=1\n"
        (folder / "meta.properties").write_text(text, encoding="utf-8")
    return 0


def main() -> int:
    """Do what the command line asks of Java."""
    if _SETUP in sys.argv:
        return set_up(dict(os.environ), Path(sys.argv[sys.argv.index("-F") + 1]))
    from tests.matrix.node import Node  # noqa: PLC0415 - half a second, which the other half need not pay

    hosts = next(word for word in sys.argv if word.startswith(_HOSTS)).removeprefix(_HOSTS)
    lines = [line.split() for line in Path(hosts).read_text(encoding="utf-8").splitlines()]
    Node(Path(sys.argv[-1]), {name: address for address, name in lines}).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
