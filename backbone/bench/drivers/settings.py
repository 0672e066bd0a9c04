"""The settings of backbone.clients in the names of the other clients, so that all are asked for the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_OWN = ("bootstrap_timeout_ms",)
"""What only kafka-python has."""

_CONSUMER_ONLY = ("allow_auto_create_topics",)
"""What is a setting of the consumer alone, elsewhere."""

_LIBRDKAFKA = {"fetch_max_wait_ms": "fetch.wait.max.ms", "request_timeout_ms": "socket.timeout.ms"}
"""Other names in librdkafka (its CONFIGURATION.md). There, request.timeout.ms is how long the broker may wait for its
followers; what ends the wait for a silent broker is the socket's time-out."""


def java(settings: Mapping[str, Any], *, consumer: bool) -> dict[str, str]:
    """Return settings of kafka-python by the names and in the notation of the Java client."""
    return {name.replace("_", "."): _text(value) for name, value in _shared(settings, consumer=consumer).items()}


def librdkafka(settings: Mapping[str, Any], *, consumer: bool) -> dict[str, str]:
    """Return settings of kafka-python by the names and in the notation of librdkafka."""
    shared = _shared(settings, consumer=consumer)
    return {_LIBRDKAFKA.get(name, name.replace("_", ".")): _text(value) for name, value in shared.items()}


def _shared(settings: Mapping[str, Any], *, consumer: bool) -> dict[str, Any]:
    left_out = _OWN if consumer else (*_OWN, *_CONSUMER_ONLY)
    return {name: value for name, value in settings.items() if name not in left_out}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
