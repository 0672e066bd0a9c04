"""Who reaches whom by which name: Docker's DNS over the networks of a project.

A container answers, on each network it is on, to its service name, container name, hostname and aliases
(Docker Engine API, `EndpointSettings.DNSNames`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from backbone.addresses import LOOPBACK, is_ip_address

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backbone.lint.project import Project, Service

HOST = "host"
GATEWAY_NAMES = frozenset({"host.docker.internal", "gateway.docker.internal", "docker.for.mac.localhost"})


@dataclass(frozen=True, eq=False)
class Names:
    """The names of every service, and which of them another service can resolve."""

    project: Project

    @cached_property
    def _by_name(self) -> Mapping[str, tuple[Service, ...]]:
        found: dict[str, list[Service]] = {}
        for service in self.project.services.values():
            for name in own_names(service):
                found.setdefault(name.lower(), []).append(service)
            for alias, name in links(service).items():
                if name in self.project.services:
                    found.setdefault(alias.lower(), []).append(self.project.services[name])
        return {name: tuple(services) for name, services in found.items()}

    @cached_property
    def _housemates(self) -> Mapping[str, list[Service]]:
        """Owner of a network namespace → the services in it."""
        found: dict[str, list[Service]] = {}
        for service in self.project.services.values():
            found.setdefault(self.owner(service).name, []).append(service)
        return found

    @cached_property
    def _external(self) -> frozenset[str]:
        return frozenset(key for key, body in self.project.section("networks").items() if body.get("external"))

    def called(self, host: str) -> tuple[Service, ...]:
        """Return the services with this name on any network."""
        return self._by_name.get(host.lower(), ())

    def resolve(self, client: Service, host: str) -> list[Service]:
        """Return the services that a host name leads to from inside a container of `client`."""
        if host in LOOPBACK:
            return self.sharing_namespace(client)
        here, linked = self.networks(client), links(client).get(host, "")
        return [
            service
            for service in dict.fromkeys(self.called(host))
            if service is client
            or service.name == linked
            or here & self.networks(service) & networks_of_name(service, host)
        ]

    def networks(self, service: Service) -> frozenset[str]:
        """Return the networks of a service's network namespace."""
        return frozenset(self.owner(service).networks)

    def owner(self, service: Service) -> Service:
        """Return the service whose network namespace this one uses (`network_mode: service:NAME`)."""
        kind, _, name = str(service.body.get("network_mode") or "").partition(":")
        other = self.project.services.get(name) if kind == "service" else None
        return other or service

    def sharing_namespace(self, service: Service) -> list[Service]:
        """Return the services for which `localhost` is the same as for this one, itself included."""
        if on_host(service):
            return [other for other in self.project.services.values() if on_host(other)]
        return self._housemates[self.owner(service).name]

    def may_be_elsewhere(self, client: Service, host: str) -> bool:
        """Whether a name that no service has can still be right, because it lies outside the project."""
        if "." in host or is_ip_address(host) or host in GATEWAY_NAMES or on_host(client):
            return True
        extra = client.body.get("extra_hosts") or ()
        known = {re.split(r"[=:]", str(entry), maxsplit=1)[0] for entry in extra}
        links = {str(entry).rpartition(":")[2] for entry in client.body.get("external_links") or ()}
        return host in known | links or bool(self.networks(client) & self._external)


def links(client: Service) -> Mapping[str, str]:
    """Return the names that a service alone has for others: alias → service (Compose specification, links)."""
    parts = (str(entry).partition(":") for entry in client.body.get("links") or ())
    return {alias or name: name for name, _, alias in parts}


def own_names(service: Service) -> set[str]:
    """Return every name a service answers to."""
    names = {service.name, service.hostname, str(service.body.get("container_name") or "")}
    if domain := service.body.get("domainname"):
        names.add(f"{service.hostname}.{domain}")
    for settings in service.networks.values():
        names.update(str(alias) for alias in settings.get("aliases") or ())
        names.update(str(settings.get(key) or "") for key in ("ipv4_address", "ipv6_address"))
    return names - {""}


def networks_of_name(service: Service, host: str) -> frozenset[str]:
    """Return the networks on which a service has this name; an alias and an address belong to one network."""
    general = {service.name, service.hostname, str(service.body.get("container_name") or "")}
    domain = service.body.get("domainname")
    if host.lower() in {name.lower() for name in general} or (domain and host == f"{service.hostname}.{domain}"):
        return frozenset(service.networks)
    return frozenset(
        name
        for name, settings in service.networks.items()
        if host.lower() in {str(alias).lower() for alias in settings.get("aliases") or ()}
        or host in (settings.get("ipv4_address"), settings.get("ipv6_address"))
    )


def on_host(service: Service) -> bool:
    """Whether the service uses the host's own network."""
    return service.body.get("network_mode") == HOST


@lru_cache(maxsize=8)
def of(project: Project) -> Names:
    """Return the names of a project."""
    return Names(project)
