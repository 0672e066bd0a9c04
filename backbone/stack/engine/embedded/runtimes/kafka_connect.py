"""Kafka Connect, distributed: the same properties file, connectors and plugins as in the image.

What the container has below its working directory, the worker finds under the same names in the service's own
folder: `plugins`, and every mount that leads there (`secrets`).
"""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import yaml

from backbone import secret_file
from backbone.stack.engine.embedded import plugin_source
from backbone.stack.engine.embedded.local_service import Launch, LocalService, Runtime
from backbone.stack.engine.embedded.plugin_source import JavaSource
from backbone.stack.engine.embedded.runtimes import jvm
from backbone.stack.engine.embedded.runtimes.kafka import log4j2
from backbone.stack.engine.embedded.unpack import unpack

if TYPE_CHECKING:
    from collections.abc import Iterable

_ARCHIVES = ("connect-jdbc", "connect-postgres")
_FLAGS = ("KAFKA_HEAP_OPTS", "KAFKA_JVM_PERFORMANCE_OPTS", "KAFKA_OPTS")
_CONVERTER = "connect-avro"
_CONVERTER_CLASS = "io.apicurio.registry.utils.converter.AvroConverter"
_COMPILER = "java-compiler"
_PACKAGE = "backbone.connect"
_SOURCES = Path("infra", "05-messaging", "connect", "plugin")
SINK = JavaSource(
    (_SOURCES / "ArchiveSink.java",),
    {"org.apache.kafka.connect.sink.SinkConnector": f"{_PACKAGE}.ArchiveSink"},
)
"""Our own sink (ADR 0084), which extends Debezium's."""
WORKER = JavaSource(
    (_SOURCES / "HostGuard.java", _SOURCES / "SecretFiles.java"),
    {
        "org.apache.kafka.connect.rest.ConnectRestExtension": f"{_PACKAGE}.HostGuard",
        "org.apache.kafka.common.config.provider.ConfigProvider": f"{_PACKAGE}.SecretFiles",
    },
)
"""What confines the worker (ADR 0090): who may ask it, and which files it reads for whom."""
_SINK_FOLDER = "debezium-connector-jdbc"
_USER_FILE = "connect/user"
_USER = "connect"


def launch(local: LocalService) -> Launch:
    """Lay out the working directory and return the command line."""
    _plugins(local)
    _mounts(local)
    secret_file.ensure(user_file(local).resolve(), _USER)
    logging = local.home / "log4j2.yaml"
    logging.write_text(yaml.safe_dump(log4j2(local)), encoding="utf-8")
    _, *arguments = local.service.raw["command"]
    return jvm.launch(
        local,
        main=["org.apache.kafka.connect.cli.ConnectDistributed", *map(local.here, arguments)],
        classpath=local.jars("connect"),
        flags=[
            *local.words("KAFKA_HEAP_OPTS"),
            *local.words("KAFKA_JVM_PERFORMANCE_OPTS"),
            # The agent is the container's, for Prometheus: no port of this machine is set aside for it.
            *(word for word in local.words("KAFKA_OPTS") if not word.startswith("-javaagent:")),
            f"-Dlog4j2.configurationFile={logging.name}",
        ],
        env={key: value for key, value in local.environment.items() if key not in _FLAGS},
    )


def endpoint(local: LocalService) -> str:
    """Return the worker's own health check (KIP-1017): it has joined its group and can work."""
    return local.environment["CONNECT_LISTENERS"].split(",")[0] + "/health"


def user_file(local: LocalService) -> Path:
    """Return the file with the user of the REST interface, as jaas.conf names it from the working directory."""
    return local.home / "secrets" / _USER_FILE


def check(_site: LocalService) -> None:
    """Accept any state: what a worker knows is in Kafka."""


def _plugins(local: LocalService) -> None:
    """Make plugins/ of links into the cache, again each time: a changed lock leaves nothing old behind."""
    folder = local.home / "plugins"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in _ARCHIVES:
        (archive,) = local.jars(name)
        for part in unpack(archive, local.cache_dir).iterdir():
            (folder / part.name).symlink_to(part)
    _sink(folder / _SINK_FOLDER, local)
    _confinement(folder / "backbone-worker", local)
    _converter(folder / "apicurio-converter", local.jars(_CONVERTER))


def _sink(folder: Path, local: LocalService) -> None:
    """Put our sink beside Debezium's, which it extends: one folder is one class loader."""
    jars = sorted(jar.resolve() for jar in folder.glob("*.jar"))
    folder.unlink()
    folder.mkdir()
    for jar in jars:
        (folder / jar.name).symlink_to(jar)
    (compiler,) = local.jars(_COMPILER)
    made = plugin_source.jar(SINK, compiler=compiler, classpath=jars, cache=local.cache_dir, root=local.root)
    (folder / made.name).symlink_to(made)


def _confinement(folder: Path, local: LocalService) -> None:
    """Put what confines the worker into a folder of its own."""
    folder.mkdir()
    (compiler,) = local.jars(_COMPILER)
    made = plugin_source.jar(
        WORKER, compiler=compiler, classpath=local.jars("connect"), cache=local.cache_dir, root=local.root
    )
    (folder / made.name).symlink_to(made)


def _converter(folder: Path, jars: Iterable[Path]) -> None:
    """Collect the Avro converter's jars, and the service entry that plugin.discovery=SERVICE_LOAD looks for.

    The converter was published without one (KIP-898 asks for it in every plugin).
    """
    folder.mkdir()
    for jar in jars:
        (folder / jar.name).symlink_to(jar)
    with zipfile.ZipFile(folder / "services.jar", "w") as services:
        services.writestr("META-INF/services/org.apache.kafka.connect.storage.Converter", _CONVERTER_CLASS + "\n")


def _mounts(local: LocalService) -> None:
    """Link what is mounted below the container's working directory into the service's folder."""
    root = PurePosixPath(local.service.raw["working_dir"])
    for mount in local.service.mounts:
        if PurePosixPath(mount.target).is_relative_to(root):
            link = local.home / PurePosixPath(mount.target).relative_to(root)
            link.unlink(missing_ok=True)
            link.symlink_to(mount.source)


_SETS = ("connect", *_ARCHIVES, _CONVERTER, _COMPILER)
RUNTIME: Runtime = Runtime(sets=_SETS, launch=launch, endpoint=endpoint, check=check, user_file=user_file)
