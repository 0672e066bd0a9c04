"""What a rule is given: one Compose project, resolved by Compose and traceable to its text.

Values come from the resolved model, places from the SourceMap, joined by path:

    for service in project.services.values():
        text = service.environment.get("KAFKA_LISTENERS", "")
        at = service.where("environment", "KAFKA_LISTENERS", part="EXTERNAL://0.0.0.0:9092")
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from backbone.errors import StackError
from backbone.source import reading

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from backbone.source.source_map import EnvFile, Interpolation, SourceMap
    from backbone.source.span import Span


@dataclass(frozen=True, slots=True)
class Port:
    """One entry of `ports` as resolved. published: (first, last) host ports, None when Docker picks one."""

    index: int
    host_ip: str
    published: tuple[int, int] | None
    target: int
    protocol: str


@dataclass(frozen=True, slots=True)
class Mount:
    """One entry of `volumes` as resolved. kind: bind, volume, tmpfs, …; source: host path or volume name."""

    index: int
    kind: str
    source: str
    target: str
    read_only: bool


@dataclass(frozen=True, eq=False)
class Service:
    """One service as Compose resolved it: `body` is its whole mapping (`$$` already a plain `$`)."""

    name: str
    body: Mapping[str, Any]
    sources: SourceMap

    def where(self, *path: str | int, part: str = "") -> Span:
        """Return where the value at `path` under this service is written, or the nearest parent that is.

        part: a piece of the resolved value; the span is then only that piece, traced through interpolation.
        """
        return self.sources.where("services", self.name, *path, part=part)

    def key(self, *path: str | int) -> Span:
        """Return the span of the key (or list entry) itself rather than of its value."""
        return self.sources.key("services", self.name, *path)

    def has(self, *path: str | int) -> bool:
        """Say whether the files write this path at all, rather than Compose deriving it."""
        return self.sources.find("services", self.name, *path) is not None

    @property
    def span(self) -> Span:
        """The service's own key."""
        return self.key()

    @property
    def image(self) -> str:
        """The image reference, "" for a service that is only built."""
        return str(self.body.get("image") or "")

    @property
    def profiles(self) -> frozenset[str]:
        """The profiles that start this service; empty means always."""
        return frozenset(self.body.get("profiles") or ())

    def starts_beside(self, other: Service) -> bool:
        """Say whether some profile, or none, starts both; two that nothing starts together may be alternatives."""
        return not self.profiles or not other.profiles or bool(self.profiles & other.profiles)

    @property
    def hostname(self) -> str:
        """The container's hostname, "" when Docker picks one."""
        return str(self.body.get("hostname") or "")

    @cached_property
    def environment(self) -> Mapping[str, str]:
        """Variables of the container; one with no value is ""."""
        return {key: "" if value is None else str(value) for key, value in (self.body.get("environment") or {}).items()}

    @cached_property
    def ports(self) -> tuple[Port, ...]:
        """Published ports."""
        return tuple(_port(index, body) for index, body in enumerate(self.body.get("ports") or ()))

    @cached_property
    def mounts(self) -> tuple[Mount, ...]:
        """Volumes and bind mounts."""
        return tuple(_mount(index, body) for index, body in enumerate(self.body.get("volumes") or ()))

    @property
    def mounted(self) -> tuple[str, ...]:
        """Every path inside the container at which something is mounted: a volume, a file, a config or a secret."""
        found = [mount.target for mount in self.mounts]
        for section, folder in (("configs", "/"), ("secrets", "/run/secrets/")):
            for entry in self.body.get(section) or ():
                target = str(entry.get("target") or entry.get("source") or "")
                found.append(target if target.startswith("/") else folder + target)
        return tuple(found)

    @property
    def depends_on(self) -> Mapping[str, str]:
        """Service → condition it is waited for with."""
        return {name: str(body.get("condition", "")) for name, body in (self.body.get("depends_on") or {}).items()}

    @property
    def networks(self) -> Mapping[str, Mapping[str, Any]]:
        """Network → this service's settings on it (aliases, ipv4_address, …)."""
        return {name: body or {} for name, body in (self.body.get("networks") or {}).items()}

    @property
    def command(self) -> tuple[str, ...]:
        """The words after the entrypoint, () when the image's own are used."""
        return _words(self.body.get("command"))

    @property
    def entrypoint(self) -> tuple[str, ...]:
        """The entrypoint's words, () when the image's own is used."""
        return _words(self.body.get("entrypoint"))

    @property
    def healthcheck(self) -> Mapping[str, Any] | None:
        """The health check as resolved, None when the service has none or disables it."""
        check = self.body.get("healthcheck")
        if not check or check.get("disable") or list(check.get("test") or ())[:1] == ["NONE"]:
            return None
        return dict(check)


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a policy demands of this one project (policy.toml, [require]); an empty field demands nothing.

    profiles: folder → the profile that must gate every service written there. brokers: how many brokers there
    are. network: what every service joins. logging_template: the file every service extends.
    data_dir_variable: the variable that data folders begin with. ports_from_env: host ports are variables of
    `.env.example`.
    """

    profiles: Mapping[str, str] = field(default_factory=dict)
    brokers: int = 0
    network: str = ""
    logging_template: str = ""
    data_dir_variable: str = ""
    ports_from_env: bool = False


@dataclass(frozen=True, eq=False)
class Project:
    """One Compose project under judgement.

    resolved: the model of all chosen profiles, None when Compose refused it (`refusal` has its reason, `warnings` the
    number of its warnings).
    env, example: the project's `.env` (or the file named by --env-file) and `.env.example`, None if missing.
    """

    directory: Path
    sources: SourceMap
    resolved: Mapping[str, Any] | None
    refusal: str = ""
    warnings: int = 0
    env: EnvFile | None = None
    example: EnvFile | None = None
    require: Requirements = field(default_factory=Requirements)
    profiles: tuple[str, ...] = ()
    """The profiles asked for; empty means every profile there is."""
    quoted: Callable[[Path], str] = lambda _: ""
    """What a report may quote of a file: its text, masked (backbone.lint.masking)."""
    foreign: bool = True
    """Whether nobody wrote a policy for it: what is a decision of its authors is then no error."""

    @cached_property
    def services(self) -> Mapping[str, Service]:
        """Every service of the chosen profiles, in the order of their names."""
        bodies = (self.resolved or {}).get("services") or {}
        return {name: Service(name, bodies[name], self.sources) for name in sorted(bodies)}

    @cached_property
    def templates(self) -> frozenset[str]:
        """Services that others extend and that a profile of their own keeps from starting: they are no containers."""
        extended = self.sources.extended_services
        used = Counter(profile for service in self.services.values() for profile in service.profiles)
        return frozenset(
            name
            for name, service in self.services.items()
            if name in extended and service.profiles and all(used[profile] == 1 for profile in service.profiles)
        )

    @cached_property
    def profile_sets(self) -> tuple[frozenset[str], ...]:
        """The sets of profiles a rule that counts services looks at: none, each alone, all together.

        With --profile given: only the given ones together.
        """
        if self.profiles:
            return (frozenset(self.profiles),)
        known = sorted({profile for service in self.services.values() for profile in service.profiles})
        sets = [frozenset[str](), *(frozenset({profile}) for profile in known), frozenset(known)]
        return tuple(dict.fromkeys(sets))

    def active(self, profiles: frozenset[str]) -> Mapping[str, Service]:
        """Return the services that start with these profiles."""
        if profiles not in self._active:
            self._active[profiles] = {
                name: service
                for name, service in self.services.items()
                if not service.profiles or service.profiles & profiles
            }
        return self._active[profiles]

    @cached_property
    def _active(self) -> dict[frozenset[str], Mapping[str, Service]]:
        """What was answered before: every cluster asks for the same sets."""
        return {}

    def section(self, name: str) -> Mapping[str, Mapping[str, Any]]:
        """Return a top-level section (volumes, networks, secrets, configs) as resolved."""
        return {key: body or {} for key, body in ((self.resolved or {}).get(name) or {}).items()}

    def where(self, *path: str | int, part: str = "") -> Span:
        """Return where the value at a path of the model is written, or the nearest parent that is."""
        return self.sources.where(*path, part=part)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The project's Compose files, each once."""
        return tuple(dict.fromkeys(file.path for file in self.sources.files))

    def text(self, path: Path) -> str:
        """Return the text of a file that a finding points at, "" for one that is gone or none."""
        for file in self.sources.files:
            if file.path == path:
                return file.text
        try:
            return reading.read_text(path)
        except StackError:
            return ""

    @property
    def interpolations(self) -> tuple[Interpolation, ...]:
        """Every `${…}` of the project's files, in order."""
        return self.sources.interpolations


def _words(value: str | list[str] | None) -> tuple[str, ...]:
    """Return a command's words; Compose resolves a string to a list, so a string is one word."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(str(word) for word in value)


def _port(index: int, body: Mapping[str, Any]) -> Port:
    first, _, last = str(body.get("published") or "").partition("-")
    return Port(
        index=index,
        host_ip=str(body.get("host_ip") or ""),
        published=(int(first), int(last or first)) if first else None,
        target=int(body.get("target") or 0),
        protocol=str(body.get("protocol") or "tcp"),
    )


def _mount(index: int, body: Mapping[str, Any]) -> Mount:
    return Mount(
        index=index,
        kind=str(body.get("type") or ""),
        source=str(body.get("source") or ""),
        target=str(body.get("target") or ""),
        read_only=bool(body.get("read_only")),
    )
