"""Evidence of certificates: in the files that the Compose files name, and as brokers show them."""

from __future__ import annotations

import re
import ssl
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from backbone import addresses, client_properties, clients, kafka_probe
from backbone.doctor.evidence import Certificate
from backbone.errors import StackError
from backbone.source import reading
from backbone.stack import health

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cryptography.x509 import Certificate as Made

    from backbone.client_properties import ClientSecurity
    from backbone.stack.compose import Model, Service

_STORE = re.compile(r"KAFKA_(?:LISTENER_NAME_(?P<listener>\w+)_)?SSL_(?P<kind>KEYSTORE|TRUSTSTORE)_LOCATION")
_OF_OTHERS = re.compile(r"\w+_SSL_(?P<kind>KEYSTORE|TRUSTSTORE)_LOCATION")
_PEM = b"-----BEGIN "
_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_DAY_S = 86_400
_SHOWN = "its certificate"


def named(model: Model, now: float) -> tuple[Certificate, ...]:
    """Return what the PEM stores hold that the services' variables name; now: seconds since the epoch.

    Left alone: stores of Java's own kinds, what is inside an image, files that we may not read, and a folder that is
    not there yet.
    """
    return tuple(found for service in model.services.values() for found in _of_service(service, now))


def shown(bootstrap: Sequence[str], now: float) -> tuple[Certificate, ...]:
    """Ask each broker for the certificate that it shows to this client; () for a cluster without TLS."""
    security = client_properties.current()
    if not security.tls:
        return ()
    with clients.admin(bootstrap) as client:
        brokers = health.alive(client.describe_cluster()["brokers"])
    return tuple(_shown(str(each["host"]), int(each["port"]), security, now) for each in brokers)


def _shown(host: str, port: int, security: ClientSecurity, now: float) -> Certificate:
    address = f"{host}:{port}"
    try:
        # For which names it is can be read only by who does not ask for one.
        made = kafka_probe.certificate(address, replace(security, verify_host_name=False))
    except StackError as error:
        return Certificate(address, _SHOWN, problem=error.message, shown=True)
    return Certificate(
        address,
        _SHOWN,
        (ssl.cert_time_to_seconds(made["notAfter"]) - now) / _DAY_S,
        names=frozenset(name for _, name in made.get("subjectAltName", ())),
        advertised=(host,) if security.verify_host_name else (),
        shown=True,
    )


def _of_service(service: Service, now: float) -> Iterator[Certificate]:
    for variable, value in service.environment.items():
        match = _STORE.fullmatch(variable) or _OF_OTHERS.fullmatch(variable)
        path = _on_this_machine(service, value) if match and value else None
        if match is None or path is None or not path.parent.is_dir():
            continue
        try:
            data = reading.read_bytes(path)
        except StackError as error:
            if path.exists():
                continue
            yield Certificate(service.name, str(path), problem=error.context or error.message)
            continue
        if _PEM not in data:
            continue
        own = match["kind"] == "KEYSTORE"
        yield _certificate(service, variable, path, data, own=own, now=now)


def _certificate(service: Service, variable: str, path: Path, data: bytes, *, own: bool, now: float) -> Certificate:
    from cryptography import x509  # noqa: PLC0415 - slow, and only for who has certificates

    try:
        made = x509.load_pem_x509_certificates(data)
    except ValueError as error:
        return Certificate(service.name, str(path), problem=f"there is no certificate in it: {error}")
    ends = [each.not_valid_after_utc.timestamp() for each in made]
    # All of a chain have to hold, and one of those that are trusted.
    last = min(ends) if own else max(ends)
    return Certificate(
        service.name,
        str(path),
        (last - now) / _DAY_S,
        names=_names(made[0]) if own else frozenset(),
        advertised=_advertised(service, variable) if own else (),
        mode=path.stat().st_mode & 0o777 if _KEY.search(data) else None,
    )


def _names(made: Made) -> frozenset[str]:
    from cryptography import x509  # noqa: PLC0415 - as above

    try:
        found = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset({*found.get_values_for_type(x509.DNSName), *map(str, found.get_values_for_type(x509.IPAddress))})


def _advertised(service: Service, variable: str) -> tuple[str, ...]:
    """Return the hosts that clients of the listeners with this store are sent to."""
    environment = service.environment
    protocols = addresses.parse_protocol_map(environment.get("KAFKA_LISTENER_SECURITY_PROTOCOL_MAP", ""))
    match = _STORE.fullmatch(variable)
    if match is None:
        return ()
    hosts = []
    for listener in addresses.parse_listeners(environment.get("KAFKA_ADVERTISED_LISTENERS", "")):
        own = f"KAFKA_LISTENER_NAME_{listener.name.replace('_', '__')}_SSL_KEYSTORE_LOCATION"
        used = own if environment.get(own) else "KAFKA_SSL_KEYSTORE_LOCATION"
        if used == variable and protocols.get(listener.name, listener.name).endswith("SSL"):
            hosts.append(listener.host.strip("[]"))
    return tuple(hosts)


def _on_this_machine(service: Service, inside: str) -> Path | None:
    """Return the file or folder here that is mounted at a path of the container, None if none is."""
    path = PurePosixPath(inside)
    mounts = [mount for mount in service.mounts if mount.kind == "bind" and path.is_relative_to(mount.target)]
    if not mounts:
        return None
    nearest = max(mounts, key=lambda mount: len(mount.target))
    return Path(nearest.source) / path.relative_to(nearest.target)
