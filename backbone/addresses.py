"""Parsers for Kafka's address lists: listeners, protocol maps, voters and bootstrap servers.

Each value keeps the `text` it was written as, so that a finding can point at that part of a longer line.
`parse_…` never raise, what is not an address is left out; `listeners` and `bootstrap` take no such word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from backbone.errors import ExitCode, StackError

ANY_ADDRESS = frozenset({"", "0.0.0.0", "::", "[::]"})  # noqa: S104 - recognised, never bound
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", "[::1]"})

_LISTENER = re.compile(r"(?P<name>[A-Za-z0-9_.-]+)://(?P<host>\[[0-9a-fA-F:]*\]|[^\s,:/\[\]]*):(?P<port>-?\d+)")
_VOTER = re.compile(r"(?P<id>\d+)@(?P<host>\[[0-9a-fA-F:]+\]|[^\s,:@]+):(?P<port>\d+)")
_ENDPOINT = re.compile(
    r"(?:(?P<scheme>[A-Za-z0-9_]+)://)?(?P<host>\[[0-9a-fA-F:]+\]|[A-Za-z0-9_.-]+):(?P<port>\d+)(?:/.*)?"
)
_PORTS = range(65536)
_UNRESOLVED = re.compile(r"[$`]|\{\{|%[({]")


@dataclass(frozen=True, slots=True)
class Listener:
    """One entry of `listeners` or `advertised.listeners`: NAME://host:port, the name in upper case."""

    name: str
    host: str
    port: int
    text: str

    @property
    def address(self) -> str:
        """HOST:PORT."""
        return f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only the same network namespace reaches the host."""
        return self.host in LOOPBACK


@dataclass(frozen=True, slots=True)
class Voter:
    """One entry of `controller.quorum.voters`: id@host:port."""

    id: int
    host: str
    port: int
    text: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One entry of a bootstrap list: host:port, perhaps with a scheme before it."""

    host: str
    port: int
    text: str


def entries(text: str) -> list[str]:
    """Return the words of a comma-separated list, trimmed, empty ones left out (as Kafka's Csv does)."""
    return [word.strip() for word in text.split(",") if word.strip()]


def parse_listeners(text: str) -> tuple[Listener, ...]:
    """Return the listeners of a `listeners` or `advertised.listeners` value."""
    found = ((word, _LISTENER.fullmatch(word)) for word in entries(text))
    return tuple(Listener(m["name"].upper(), m["host"], int(m["port"]), word) for word, m in found if m)


def listeners(text: str) -> dict[str, Listener]:
    """Return name → listener of a list whose words are all listeners; StackError("bad-listener") names another."""
    found = {one.text: one for one in parse_listeners(text) if one.port in _PORTS}
    for word in entries(text):
        if word not in found:
            raise StackError(
                "bad-listener",
                f"{word!r} is not NAME://HOST:PORT",
                context=text,
                hint="look at KAFKA_*_PORT and KAFKA_EXTERNAL_HOST in .env",
                exit_code=ExitCode.USAGE,
            )
    return {one.name: one for one in found.values()}


def bootstrap(text: str) -> tuple[str, ...]:
    """Return the words of HOST:PORT[,HOST:PORT…]; StackError("bad-address") names the one that is none."""
    words = tuple(entries(text))
    found = {one.text for one in parse_endpoints(text) if one.port in _PORTS and one.port and "/" not in one.text}
    for word in words or ("",):
        if word not in found:
            raise StackError(
                "bad-address",
                f"{word!r} is not HOST:PORT",
                hint="give it as --bootstrap 127.0.0.1:9092",
                exit_code=ExitCode.USAGE,
            )
    return words


def parse_voters(text: str) -> tuple[Voter, ...]:
    """Return the voters of a `controller.quorum.voters` value (static quorum)."""
    found = ((word, _VOTER.fullmatch(word)) for word in entries(text))
    return tuple(Voter(int(m["id"]), m["host"], int(m["port"]), word) for word, m in found if m)


def parse_endpoints(text: str) -> tuple[Endpoint, ...]:
    """Return the addresses of a bootstrap list, without words that hold a shell or template variable."""
    found = ((word, _ENDPOINT.fullmatch(word)) for word in entries(text))
    return tuple(Endpoint(m["host"], int(m["port"]), word) for word, m in found if m and not _UNRESOLVED.search(word))


def parse_protocol_map(text: str) -> dict[str, str]:
    """Return listener name → security protocol of a `listener.security.protocol.map` value, in upper case."""
    pairs = (word.partition(":") for word in entries(text))
    return {name.strip().upper(): protocol.strip().upper() for name, colon, protocol in pairs if colon}


def is_ip_address(host: str) -> bool:
    """Whether a host is a numeric address rather than a name."""
    return bool(re.fullmatch(r"\[?[0-9a-fA-F:]*:[0-9a-fA-F:]*\]?|\d{1,3}(\.\d{1,3}){3}", host))
