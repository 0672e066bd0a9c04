"""The machine and its Docker engine: versions, memory, ports, limits, clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbone.doctor.finding import Finding, Register
from backbone.stack import secure
from backbone.stack.engine.docker.preflight import MIN_ENGINE, limits, version_of
from backbone.stack.engine.embedded.preflight import MIN_OPEN_FILES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backbone.doctor.evidence import Evidence, Limits

register = Register()

_MIN_COMPOSE = (2, 23, 1)  # `configs: content:`
_MAX_SKEW_S = 2.0
_MAPS_PER_SEGMENT = 2  # offset and time index (Kafka's operations guide)
_MIN_MAP_COUNT = 65530
_SHIFT = "./invoke ports --shift 1000"


@register.check("D001", "A Docker engine answers")
def engine_answers(evidence: Evidence) -> Iterator[Finding]:
    """With the docker engine chosen, one must be there."""
    if evidence.engine_name == "docker" and evidence.engine is None:
        yield Finding(
            "error",
            evidence.unseen.get("engine", "no answer"),
            "Docker is not started, or DOCKER_HOST names another place",
            "start Docker, or run without it\n./invoke up --engine embedded",
        )


@register.check("D002", "Docker engine version", "engine")
def engine_version(evidence: Evidence) -> Iterator[Finding]:
    """The oldest engine that the stack is tested on."""
    assert evidence.engine is not None  # noqa: S101 - `needs`
    found = version_of(evidence.engine.version)
    if found and found < MIN_ENGINE:
        yield Finding(
            "error",
            f"the engine is {evidence.engine.version}",
            f"older than {'.'.join(map(str, MIN_ENGINE))}, the oldest that is tested",
            "upgrade Docker",
        )


@register.check("D003", "Docker Compose version", "compose_version")
def compose_version(evidence: Evidence) -> Iterator[Finding]:
    """For `docker compose` typed by hand; the tasks bring their own."""
    text = evidence.compose_version or ""
    if (found := version_of(text.removeprefix("v"))) and found < _MIN_COMPOSE:
        yield Finding(
            "warning",
            f"`docker compose` is {text}",
            f"it cannot read `configs: content:`, which came with {'.'.join(map(str, _MIN_COMPOSE))}",
            "upgrade the Compose plugin, or use the tasks, which bring their own",
        )


@register.check("D004", "Engine memory holds the limits", "engine")
def engine_memory(evidence: Evidence) -> Iterator[Finding]:
    """The sum of the limits of what keeps running fits into what the engine has."""
    assert evidence.engine is not None  # noqa: S101 - `needs`
    for profile in ("messaging", "data", "obs", "core"):
        chosen = [item for item in evidence.model.services.values() if profile in item.profiles]
        needed = limits(chosen)
        if needed > evidence.engine.memory:
            sum_of = " + ".join(f"{item.name} {item.mem_limit >> 20}" for item in chosen)
            yield Finding(
                "error" if profile == "messaging" else "warning",
                f"profile {profile}: {sum_of} = {needed >> 20} MiB > {evidence.engine.memory >> 20} MiB",
                "with all limits used the engine runs out of memory and kills a broker (exit code 137)",
                "give the engine more memory, or lower the *_MEM_LIMIT in .env",
            )


@register.check("D005", "Published ports are free or ours", "ports")
def ports(evidence: Evidence) -> Iterator[Finding]:
    """Our own running stack is no conflict."""
    for use in evidence.ports or ():
        if use.owner not in ("", "this stack"):
            yield Finding(
                "error",
                f"{use.host}:{use.port} of {use.service} is taken by {use.owner}",
                "two programs cannot listen on one address",
                f"stop it, or move every port of this checkout's .env\n{_SHIFT}",
            )


@register.check("D006", "Ports are published on loopback only")
def loopback(evidence: Evidence) -> Iterator[Finding]:
    """In the plaintext profile who reaches a port may read and write everything."""
    if secure.secrets(evidence.model):
        return
    open_to_all = sorted(
        {
            f"{service.name} {port.host_ip}:{port.published}"
            for service in evidence.model.services.values()
            for port in service.ports
            if not port.host_ip.startswith("127.") and port.host_ip != "::1"
        }
    )
    if open_to_all:
        yield Finding(
            "error",
            ", ".join(open_to_all),
            "Docker publishes past the machine's firewall, and nothing asks for a password",
            "set BIND_ADDRESS=127.0.0.1 in .env, or KAFKA_SECURITY=secure\n./invoke down && ./invoke up",
        )


@register.check("D007", "Engine clock", "engine")
def clock(evidence: Evidence) -> Iterator[Finding]:
    """Brokers refuse records from the future (message.timestamp.after.max.ms), and latency figures lie."""
    assert evidence.engine is not None  # noqa: S101 - `needs`
    if abs(evidence.engine.clock_skew) > _MAX_SKEW_S:
        yield Finding(
            "warning",
            f"the engine's clock is {evidence.engine.clock_skew:+.1f} s off this machine's",
            "a virtual machine that slept keeps the time at which it fell asleep",
            "restart Docker (Desktop), or set the clock in the virtual machine\nsudo hwclock --hctosys",
        )


@register.check("D008", "Open files", "limits")
def open_files(evidence: Evidence) -> Iterator[Finding]:
    """Each segment and each connection is an open file."""
    available = _limits(evidence).open_files
    if evidence.engine_name != "docker":
        if available < MIN_OPEN_FILES:
            yield Finding(
                "error",
                f"a process may open {available} files, a broker needs {MIN_OPEN_FILES} or more",
                "the hard limit of `ulimit -n` is that low",
                "raise it (nofile in /etc/security/limits.conf, LimitNOFILE of a unit), and log in again\nulimit -Hn",
            )
        return
    for service in evidence.model.services.values():
        nofile = (service.raw.get("ulimits") or {}).get("nofile")
        wanted = int(nofile["hard"] if isinstance(nofile, dict) else nofile or 0)
        if wanted > available:
            yield Finding(
                "error",
                f"{service.name} asks for {wanted} open files, this machine allows {available}",
                "an engine under this limit refuses to start the container: error setting rlimit type 7",
                f"raise the engine's limit (LimitNOFILE), or in .env: {_nofile_variable(service.name)}={available}",
            )


@register.check("D009", "Memory maps", "limits")
def memory_maps(evidence: Evidence) -> Iterator[Finding]:
    """A broker maps two files a segment and fails with «Map failed» when the kernel allows no more."""
    allowed = _limits(evidence).map_count
    if allowed is None:
        return
    segments = sum(topic.partitions * topic.replicas for topic in evidence.topics or ())
    if allowed < max(_MIN_MAP_COUNT, 4 * _MAPS_PER_SEGMENT * segments):
        yield Finding(
            "warning",
            f"vm.max_map_count is {allowed}, with at least {segments} segments now",
            "each segment takes two memory maps",
            "sudo sysctl -w vm.max_map_count=262144",
        )


@register.check("D010", "The log driver is there", "engine")
def log_driver(evidence: Evidence) -> Iterator[Finding]:
    """LOG_DRIVER=loki needs Grafana's plugin in the engine."""
    assert evidence.engine is not None  # noqa: S101 - `needs`
    wanted = {str((item.raw.get("logging") or {}).get("driver", "")) for item in evidence.model.services.values()}
    for driver in sorted(wanted - {"", *evidence.engine.log_drivers}):
        yield Finding(
            "error",
            f"LOG_DRIVER={driver}; the engine knows {', '.join(evidence.engine.log_drivers)}",
            "the plugin is not installed: no container of the stack can start",
            "docker plugin install grafana/loki-docker-driver:3.7.7 --alias loki --grant-all-permissions\n"
            "or LOG_DRIVER=json-file in .env: the log collector reads those as well",
        )


def _nofile_variable(service: str) -> str:
    return "RABBITMQ_NOFILE" if service == "rabbitmq" else "KAFKA_NOFILE"


def _limits(evidence: Evidence) -> Limits:
    assert evidence.limits is not None  # noqa: S101 - `needs`
    return evidence.limits
