"""The schema registry: Apicurio's own distribution, a Quarkus application configured by its environment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from backbone import secret_file
from backbone.stack.engine.embedded.local_service import LOG_PATH, Launch, LocalService, Runtime
from backbone.stack.engine.embedded.runtimes import jvm
from backbone.stack.engine.embedded.unpack import unpack

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOPICS = {
    "APICURIO_KAFKASQL_TOPIC": "kafkasql-journal",
    "APICURIO_KAFKASQL_SNAPSHOTS_TOPIC": "kafkasql-snapshots",
    "APICURIO_EVENTS_KAFKA_TOPIC": "registry-events",
}
_USER_FILE, _USER = "SMALLRYE_CONFIG_LOCATIONS", "registry"  # who may write, where the profile asks
_JAVA_OPTIONS = "JAVA_OPTS_APPEND"  # read by the image's launcher, not by the application
_MANIFEST = ("--add-opens=java.base/java.lang=ALL-UNNAMED", "--enable-native-access=ALL-UNNAMED")
"""What the manifest of quarkus-run.jar asks for; only `java -jar` reads it. Threads of its pool end without."""


def launch(local: LocalService) -> Launch:
    """Return the command line; the journal in Kafka is all the data there is."""
    (archive,) = local.jars("schema-registry")
    folder = unpack(archive, local.cache_dir)
    environment = local.environment
    environment.pop(_JAVA_OPTIONS, None)
    if user_file := environment.get(_USER_FILE):
        environment[_USER_FILE] = secret_file.ensure(Path(user_file), _USER).as_uri()  # SmallRye wants a URI
    return jvm.launch(
        local,
        main=["io.quarkus.bootstrap.runner.QuarkusEntryPoint"],
        classpath=[folder / "quarkus-run.jar"],
        flags=[*local.words(_JAVA_OPTIONS), *_MANIFEST],
        env={**environment, **_log(local)},
    )


def endpoint(local: LocalService) -> str:
    """Return the readiness check: up when the journal was read to its end."""
    environment = local.environment
    host, port = environment["QUARKUS_MANAGEMENT_HOST"], environment["QUARKUS_MANAGEMENT_PORT"]
    return f"http://{host}:{port}/health/ready"


def check(_site: LocalService) -> None:
    """Accept any state: the registry keeps nothing of its own."""


def _log(local: LocalService) -> Mapping[str, str]:
    """Write one bounded file, by the `logging:` options of the service."""
    return {
        "QUARKUS_LOG_FILE_ENABLED": "true",
        "QUARKUS_LOG_FILE_PATH": LOG_PATH,
        "QUARKUS_LOG_FILE_ROTATION_MAX_FILE_SIZE": local.service.logging.get("max-size", "10m").upper(),
        "QUARKUS_LOG_FILE_ROTATION_MAX_BACKUP_INDEX": local.service.logging.get("max-file", "3"),
        "QUARKUS_LOG_CONSOLE_LEVEL": "ERROR",
    }


def topics(local: LocalService) -> list[str]:
    """Return the topics that it makes where they are missing, with a copy for each node it finds (KafkaAdminUtil)."""
    environment = local.environment
    return [environment.get(variable, usual) for variable, usual in _TOPICS.items()]


RUNTIME: Runtime = Runtime(sets=("schema-registry",), launch=launch, endpoint=endpoint, check=check, topics=topics)
