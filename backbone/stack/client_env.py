"""What a client needs to reach a stack, in the words of its language or framework."""

from __future__ import annotations

import json
import shlex
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from backbone.errors import ExitCode, StackError
from backbone.security import users
from backbone.stack import postgres, secure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from backbone.stack.engine import Stack

_BOOTSTRAP = "KAFKA_BOOTSTRAP_SERVERS"
_REGISTRY = "SCHEMA_REGISTRY_URL"
_PASSFILE = "PGPASSFILE"
_PROTOCOL = "KAFKA_SECURITY_PROTOCOL"
_MECHANISM = "KAFKA_SASL_MECHANISM"
_USER = "KAFKA_SASL_USERNAME"
_PASSWORD = "KAFKA_SASL_PASSWORD"  # noqa: S105 - a variable's name
_PASSWORD_FILE = "KAFKA_SASL_PASSWORD_FILE"  # noqa: S105 - as above
_CA = "KAFKA_SSL_CA_LOCATION"
_PROPERTIES = "KAFKA_CLIENT_PROPERTIES"
APPLICATION = "app"
"""Whose login a client is told, where the cluster asks for one: the user of access.yml that is meant for it."""


def of(stack: Stack, *, with_secrets: bool = False, user: str = APPLICATION) -> dict[str, str]:
    """Return variable → value for every service that runs here.

    PostgreSQL's URL is whole once there is a password: with it, or with the file that libpq reads it from. Where
    brokers ask for a login, it is that of a user of access.yml; StackError("no-such-user") for one without a password.
    """
    found = {**stack.endpoints, **_login(stack, user, with_secrets=with_secrets)}
    if postgres.URL not in found:
        return found
    server = postgres.server(stack.model)
    if with_secrets:
        found[postgres.URL] = server.url(password=server.password())
    elif (file := server.passfile_in(stack.settings.state_dir)).exists():
        found[postgres.URL] = server.url(passfile=file)
        found[_PASSFILE] = str(file)  # for drivers that look there and not into the URL (JDBC's, Node's)
    return found


def _login(stack: Stack, user: str, *, with_secrets: bool) -> dict[str, str]:
    secrets = secure.secrets(stack.model)
    if secrets is None or not secrets.ca.exists():
        return {}
    password = secrets.password(user)
    if not password.exists():
        raise users.no_such_user(secrets, user)
    found = {
        _PROTOCOL: "SASL_SSL",
        _MECHANISM: users.mechanism(secrets, user),
        _USER: user,
        _PASSWORD_FILE: str(password),
        _CA: str(secrets.ca),
        _PROPERTIES: str(secrets.properties(user)),
    }
    return found | ({_PASSWORD: password.read_text(encoding="utf-8").strip()} if with_secrets else {})


def text(values: Mapping[str, str], format: str, environ: Mapping[str, str]) -> str:  # noqa: A002 - the flag's name
    """Return the values as a file or a script of that format.

    github: appended to the file that GITHUB_ENV names, if it is set, and "" returned. Raises
    StackError("unknown-format").
    """
    if format not in FORMATS:
        raise StackError(
            "unknown-format",
            f"there is no format {format!r}",
            context="formats: " + ", ".join(FORMATS),
            exit_code=ExitCode.USAGE,
        )
    said = FORMATS[format](values)
    if format == "github" and (place := environ.get("GITHUB_ENV")):
        from pathlib import Path  # noqa: PLC0415 - here only

        _append(Path(place), said)
        return ""
    return said


def _append(file: Path, said: str) -> None:
    with file.open("a", encoding="utf-8") as out:
        out.write(said)


def _lines(values: Mapping[str, str], form: Callable[[str, str], str]) -> str:
    return "".join(f"{form(name, value)}\n" for name, value in values.items())


def _dotenv(values: Mapping[str, str]) -> str:
    return _lines(values, lambda name, value: f"{name}={value}")


def _shell(values: Mapping[str, str]) -> str:
    return _lines(values, lambda name, value: f"export {name}={shlex.quote(value)}")


def _json(values: Mapping[str, str]) -> str:
    return json.dumps(dict(values), indent=2, ensure_ascii=False) + "\n"


def _properties(values: Mapping[str, str]) -> str:
    """Return the Kafka client's own names (bootstrap.servers, schema.registry.url)."""
    return _without_password(values) + _properties_lines(
        {"bootstrap.servers": values.get(_BOOTSTRAP), "schema.registry.url": values.get(_REGISTRY)} | _java(values, "")
    )


def _java(values: Mapping[str, str], prefix: str) -> dict[str, str | None]:
    """Return the login in the Java client's names; without its password, for who did not ask for secrets."""
    if _PROTOCOL not in values:
        return {}
    given = values.get(_PASSWORD)
    found = {
        "security.protocol": values[_PROTOCOL],
        "sasl.mechanism": values[_MECHANISM],
        "sasl.jaas.config": users.jaas(values[_USER], given) if given else None,
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": values[_CA],
    }
    return {f"{prefix}{name}": value for name, value in found.items()}


def _spring(values: Mapping[str, str]) -> str:
    return _needed(values) + _properties_lines(
        {
            "spring.kafka.bootstrap-servers": values.get(_BOOTSTRAP),
            "spring.kafka.properties.schema.registry.url": values.get(_REGISTRY),
            **_java(values, "spring.kafka.properties."),
            **_jdbc(values, "spring.datasource.url", "spring.datasource.username", "spring.datasource.password"),
        }
    )


def _quarkus(values: Mapping[str, str]) -> str:
    return _needed(values) + _properties_lines(
        {
            "kafka.bootstrap.servers": values.get(_BOOTSTRAP),
            **_java(values, "kafka."),
            "mp.messaging.connector.smallrye-kafka.schema.registry.url": values.get(_REGISTRY),
            **_jdbc(
                values, "quarkus.datasource.jdbc.url", "quarkus.datasource.username", "quarkus.datasource.password"
            ),
        }
    )


def _node(values: Mapping[str, str]) -> str:
    """Return a module for Node.js: the addresses as lists and strings, as KafkaJS and its kin take them."""
    found: dict[str, object] = {}
    if bootstrap := values.get(_BOOTSTRAP):
        found["brokers"] = bootstrap.split(",")
    if registry := values.get(_REGISTRY):
        found["schemaRegistry"] = {"host": registry}
    if url := values.get(postgres.URL):
        found["postgres"] = {"connectionString": url}
    made = json.dumps(found, indent=2)
    if _PROTOCOL not in values:
        return f"module.exports = {made};\n"
    read = {name: f"require('fs').readFileSync({json.dumps(values[name])}, 'utf8')" for name in (_CA, _PASSWORD_FILE)}
    return (
        f"module.exports = Object.assign({made}, {{\n"
        f"  ssl: {{ ca: [{read[_CA]}] }},\n"
        f"  sasl: {{ mechanism: 'scram-sha-512', username: {json.dumps(values[_USER])}, "
        f"password: {read[_PASSWORD_FILE]}.trim() }},\n"
        "});\n"
    )


def _dotnet(values: Mapping[str, str]) -> str:
    """Return appsettings.json for .NET, with the names of Confluent.Kafka's and Npgsql's configuration."""
    found: dict[str, object] = {}
    if bootstrap := values.get(_BOOTSTRAP):
        found["Kafka"] = {"BootstrapServers": bootstrap} | _librdkafka(values)
    if registry := values.get(_REGISTRY):
        found["SchemaRegistry"] = {"Url": registry}
    if url := values.get(postgres.URL):
        parts = urlsplit(url)
        said = {"Host": parts.hostname, "Port": parts.port, "Database": unquote(parts.path[1:])}
        said |= {"Username": unquote(parts.username or "")}
        if parts.password:
            said["Password"] = unquote(parts.password)
        elif _passfile(url):
            said["Passfile"] = _passfile(url)
        joined = ";".join(f"{name}={value}" for name, value in said.items())
        found["ConnectionStrings"] = {"Postgres": joined}
    return json.dumps(found, indent=2) + "\n"


def _librdkafka(values: Mapping[str, str]) -> dict[str, str]:
    """Return the login in the names of Confluent.Kafka's ClientConfig."""
    if _PROTOCOL not in values:
        return {}
    found = {"SecurityProtocol": "SaslSsl", "SaslMechanism": "ScramSha512", "SaslUsername": values[_USER]}
    found["SslCaLocation"] = values[_CA]
    return found | ({"SaslPassword": values[_PASSWORD]} if _PASSWORD in values else {})


def _jdbc(values: Mapping[str, str], url: str, user: str, password: str) -> dict[str, str | None]:
    """Return PostgreSQL for JDBC, which knows no user in the URL; its driver finds the password by PGPASSFILE."""
    if not (given := values.get(postgres.URL)):
        return {}
    parts = urlsplit(given)
    return {
        url: f"jdbc:postgresql://{parts.hostname}:{parts.port}{parts.path}",
        user: unquote(parts.username or ""),
        password: unquote(parts.password) if parts.password else None,
    }


def _passfile(url: str) -> str:
    query = urlsplit(url).query
    return unquote(query.removeprefix("passfile=")) if query.startswith("passfile=") else ""


def _needed(values: Mapping[str, str]) -> str:
    """Return comments with what has to be in the environment of the program, and where a login is; "" for nothing."""
    file = values.get(_PASSFILE)
    return (f"# in the environment: {_PASSFILE}={file}\n" if file else "") + _without_password(values)


def _without_password(values: Mapping[str, str]) -> str:
    if _PROTOCOL not in values or _PASSWORD in values:
        return ""
    return f"# sasl.jaas.config holds the password: --with-secrets, or take it from {values[_PROPERTIES]}\n"


def _properties_lines(values: Mapping[str, str | None]) -> str:
    """Return the values that there are, as java.util.Properties reads them: a backslash is doubled."""
    given = {name: value.replace("\\", "\\\\") for name, value in values.items() if value}
    return _lines(given, lambda name, value: f"{name}={value}")


FORMATS: Mapping[str, Callable[[Mapping[str, str]], str]] = MappingProxyType(
    {
        "dotenv": _dotenv,
        "shell": _shell,
        "json": _json,
        "properties": _properties,
        "spring": _spring,
        "quarkus": _quarkus,
        "node": _node,
        "dotnet": _dotnet,
        "github": _dotenv,
    }
)
