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
_FLAGS = (
    "-Djava.util.logging.manager=org.jboss.logmanager.LogManager",
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
    "--enable-native-access=ALL-UNNAMED",
)
"""What quarkus-run.jar sets, and asks for in its manifest. Threads of its pool end without."""

_LONGEST = 120_000  # bytes of one argument; Linux takes 131,072 (MAX_ARG_STRLEN)


def launch(local: LocalService) -> Launch:
    """Return the command line; the journal in Kafka is all the data there is."""
    (archive,) = local.jars("schema-registry")
    folder = unpack(archive, local.cache_dir)
    environment = local.environment
    environment.pop(_JAVA_OPTIONS, None)
    if user_file := environment.get(_USER_FILE):
        environment[_USER_FILE] = secret_file.ensure(Path(user_file), _USER).as_uri()  # SmallRye wants a URI
    main, classpath = _program(folder)
    return jvm.launch(
        local,
        main=[main],
        classpath=classpath,
        flags=[*local.words(_JAVA_OPTIONS), *_FLAGS],
        env={**environment, **_log(local)},
    )


def _program(folder: Path) -> tuple[str, list[Path]]:
    """Return the main class and the class path: every jar, in the order in which Quarkus' own loader looks.

    That loader's classes are in no start-up cache, for a JVM keeps those of its own alone (JEP 483). It is used where
    the cache's folder has so long a path that the jars are too long for a command line.
    """
    patterns = ("quarkus/transformed-bytecode.jar", "quarkus/*.jar", "app/*.jar", "lib/main/*.jar", "lib/boot/*.jar")
    jars = list(dict.fromkeys(jar for pattern in patterns for jar in sorted(folder.glob(pattern))))
    if len(":".join(map(str, jars)).encode()) > _LONGEST:
        return "io.quarkus.bootstrap.runner.QuarkusEntryPoint", [folder / "quarkus-run.jar"]
    return "io.quarkus.runner.GeneratedMain", jars


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
