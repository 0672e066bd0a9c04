"""A Kafka node: configured and formatted by the class the official image uses, run as kafka.Kafka.

kafka.docker.KafkaDockerWrapper turns KAFKA_* variables into server.properties and formats the log directories
(KIP-975), so the Compose `environment:` means the same here and in the container.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from backbone import durable_file
from backbone.addresses import listeners, parse_protocol_map
from backbone.errors import ExitCode, StackError
from backbone.source import reading
from backbone.stack.engine.embedded import jre, setup_program
from backbone.stack.engine.embedded.local_service import LOG_PATH, Launch, LocalService, Runtime
from backbone.stack.engine.embedded.runtimes import jvm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SETUP_TIMEOUT_S = 180
_SETUP_FLAGS = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx128m")
_ASCII = 128
_STAMP = ".inputs"  # what a folder of configuration was made from, and what it was then
_WITHOUT_TLS = ("PLAINTEXT", "SASL_PLAINTEXT")
_ALREADY_FORMATTED = "is already formatted"


def launch(local: LocalService) -> Launch:
    """Configure the node, format its log directories if they are new, and return its command line."""
    classpath = local.jars(str(local.service.embedded["jars"]))
    config = _configure(local, local.environment_with(in_properties), classpath)
    return jvm.launch(
        local,
        main=["kafka.Kafka", str(config / "server.properties")],
        classpath=classpath,
        flags=[
            *local.words("KAFKA_HEAP_OPTS"),
            *local.words("KAFKA_JVM_PERFORMANCE_OPTS"),
            *local.words("KAFKA_OPTS"),
            "-Djava.awt.headless=true",
            f"-Dlog4j2.configurationFile={(config / 'log4j2.yaml').relative_to(local.home)}",
        ],
        env={},
    )


def in_properties(path: str) -> str:
    """Return a path as a .properties file holds it (java.util.Properties.load: Latin-1, a backslash escapes)."""
    units = path.encode("utf-16-be", "surrogatepass")
    codes = (int.from_bytes(units[index : index + 2], "big") for index in range(0, len(units), 2))
    return "".join(chr(code) if code < _ASCII and chr(code) != "\\" else f"\\u{code:04x}" for code in codes)


def endpoint(local: LocalService) -> str:
    """Return an address at which the node answers: its inter-broker listener (a controller's own, if it is no broker).

    Where that one wants a certificate: the listener that asks for a password.
    """
    environment = local.environment
    parsed = listeners(environment["KAFKA_LISTENERS"])
    name = environment.get("KAFKA_INTER_BROKER_LISTENER_NAME", "")
    found = parsed.get(name.upper()) or next(iter(parsed.values()))
    protocols = parse_protocol_map(environment.get("KAFKA_LISTENER_SECURITY_PROTOCOL_MAP", ""))
    scheme = "kafka" if protocols.get(found.name, "PLAINTEXT") in _WITHOUT_TLS else "tcp"
    # A listener with passwords says its versions before it asks for one; that with certificates wants one at once.
    if scheme == "tcp" and (
        asks := next((one for one in parsed.values() if protocols.get(one.name) == "SASL_SSL"), None)
    ):
        found, scheme = asks, "kafkas"
    return f"{scheme}://{local.hosts.get(found.host, found.host)}:{found.port}"


def inter_broker(local: LocalService) -> tuple[str, int] | None:
    """Return where a broker's listener for the services of the stack is on this machine, None for what is no broker."""
    environment = local.environment
    parsed = listeners(environment.get("KAFKA_LISTENERS", ""))
    found = parsed.get(environment.get("KAFKA_INTER_BROKER_LISTENER_NAME", "").upper())
    return (local.hosts.get(found.host, found.host), found.port) if found else None


def check(local: LocalService) -> None:
    """Refuse data of another cluster or another node, and a folder Kafka cannot name, before anything is started."""
    for folder in local.data_dirs():
        if "," in str(folder):
            raise StackError(
                "bad-folder",
                f"{local.service.name}: Kafka takes a comma in a data folder for the end of its name: {folder}",
                hint="set DEFAULT_MESSAGE_BROKER_DIR in .env to a folder without a comma",
                exit_code=ExitCode.USAGE,
            )
    for folder in log_dirs(local):
        found = meta_properties(folder)
        if (folder / "meta.properties").exists() and not {"cluster.id", "node.id"} <= found.keys():
            raise StackError(
                "damaged-data",
                f"{local.service.name}: {folder / 'meta.properties'} is damaged: it names no cluster or no node",
                hint=f"mv {shlex.quote(str(folder))} {shlex.quote(str(folder))}.damaged && ./invoke up\n"
                "the node copies its partitions from the others",
                exit_code=ExitCode.ENVIRONMENT,
            )
        for key, variable in (("cluster.id", "CLUSTER_ID"), ("node.id", "KAFKA_NODE_ID")):
            wanted = local.environment.get(variable, "")
            if key in found and found[key] != wanted:
                raise StackError(
                    "foreign-data",
                    f"{local.service.name}: the data belongs to {key} {found[key]}, {variable} says {wanted}",
                    context=f"{folder / 'meta.properties'}: {key}={found[key]}",
                    hint=f"to keep the data, set {variable}={found[key]} in .env\n"
                    "or start with empty data: this removes all data of this stack\n./invoke nuke",
                    exit_code=ExitCode.ENVIRONMENT,
                )


def log_dirs(local: LocalService) -> list[Path]:
    """Return the node's log directories on this machine."""
    environment = local.environment
    text = environment.get("KAFKA_LOG_DIRS") or environment.get("KAFKA_LOG_DIR", "")
    return [Path(item.strip()) for item in text.split(",") if item.strip()]


def meta_properties(folder: Path) -> dict[str, str]:
    """Return the identity Kafka wrote into a log directory, empty for one that is not formatted.

    Raises StackError("unreadable-file").
    """
    file = folder / "meta.properties"
    if not os.path.lexists(file):
        return {}
    lines = reading.read_bytes(file).decode("utf-8", "replace").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def _configure(local: LocalService, environment: Mapping[str, str], classpath: Sequence[Path]) -> Path:
    """Write server.properties and log4j2.yaml into the node's folder, unless the same inputs already did."""
    final, defaults, mounted = (local.home / name for name in ("config", "defaults", "mounted"))
    logging = yaml.safe_dump(log4j2(local))
    inputs = hashlib.sha256(json.dumps([dict(environment), logging, list(map(str, classpath))]).encode()).hexdigest()
    formatted = all(meta_properties(folder) for folder in log_dirs(local))
    if formatted and reading.peek(final / _STAMP) == f"{inputs}\n{_outputs(final)}":
        return final
    partial = final.with_name("config.partial")
    for folder in (final, partial):
        shutil.rmtree(folder, ignore_errors=True)
    for folder in (partial, defaults, mounted, *log_dirs(local)):
        folder.mkdir(parents=True, exist_ok=True)
    (defaults / "server.properties").write_text("", encoding="utf-8")
    for name in ("log4j2.yaml", "tools-log4j2.yaml"):
        (defaults / name).write_text(logging, encoding="utf-8")
    _setup(local, environment, classpath, ["-D", str(defaults), "-M", str(mounted), "-F", str(partial)])
    durable_file.replace(partial / _STAMP, f"{inputs}\n{_outputs(partial)}")
    partial.rename(final)
    return final


def _outputs(folder: Path) -> str:
    """Return a digest of what is in a folder of configuration: a file that was cut short or edited is made again."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*")):
        if path.name != _STAMP:
            digest.update(f"{path.name} {reading.peek(path)!r}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _setup(
    local: LocalService, environment: Mapping[str, str], classpath: Sequence[Path], folders: Sequence[str]
) -> None:
    argv = [
        str(jre.java()),
        *_SETUP_FLAGS,
        f"-Djdk.net.hosts.file={local.hosts_file}",
        "-cp",
        ":".join(map(str, classpath)),
        "kafka.docker.KafkaDockerWrapper",
        "setup",
        *folders,
    ]
    done = setup_program.run(
        argv,
        reference="kafka-setup",
        undone=f"{local.service.name}: Kafka was not configured",
        timeout=_SETUP_TIMEOUT_S,
        cwd=local.home,
        env={**jvm.ENV, **environment},
        stdin=subprocess.DEVNULL,
    )
    said = done.stdout + done.stderr
    if done.returncode != 0 and _ALREADY_FORMATTED not in said:
        reasons = [line for line in said.splitlines() if not line.startswith("\tat ")]
        raise StackError(
            "kafka-setup",
            f"{local.service.name}: Kafka refuses its configuration or its log directory",
            context="\n".join(reasons[-8:]),
            hint="./invoke lint",
            exit_code=ExitCode.ENVIRONMENT,
        )


def log4j2(local: LocalService) -> dict[str, Any]:
    """Return a Log4j configuration that writes one bounded file, by the `logging:` options of the service.

    max-file counts the current file, as Docker counts. Raises StackError("bad-log-bound") for an option that is none.
    """
    size, files = local.service.logging.get("max-size", "10m"), local.service.logging.get("max-file", "3")
    if not (files.isdecimal() and re.fullmatch(r"\d+[kmg]?b?", size, re.IGNORECASE)):
        raise StackError(
            "bad-log-bound",
            f"{local.service.name}: the log cannot be bounded by {files!r} files of {size!r}",
            hint="set LOG_MAX_SIZE (such as 10m) and LOG_MAX_FILE (such as 3) in .env",
            exit_code=ExitCode.USAGE,
        )
    return {
        "Configuration": {
            # Log4j would stop at SIGTERM, together with the node, and swallow what the node says of its shutdown.
            "shutdownHook": "disable",
            "Appenders": {
                "RollingFile": {
                    "name": "STDOUT",
                    "fileName": LOG_PATH,
                    "filePattern": f"{LOG_PATH}.%i",
                    "PatternLayout": {"pattern": "[%d] %p %m (%c)%n"},
                    "SizeBasedTriggeringPolicy": {"size": size.upper().removesuffix("B") + "B"},
                    "DefaultRolloverStrategy": {"max": max(int(files) - 1, 1)},
                }
            },
            "Loggers": {"Root": {"level": "INFO", "AppenderRef": [{"ref": "STDOUT"}]}},
        }
    }


# A node asks the controller for leave before it stops. When the others stop at the same time the quorum can be gone
# before the answer, and then it would wait five minutes (BrokerServer.shutdown) for what cannot come any more.
_ALONE_S = 12.0

RUNTIME = Runtime(sets=(), launch=launch, endpoint=endpoint, check=check, alone=_ALONE_S)
