"""Which clients a user asked for, by name. What is not installed is imported only when it is asked for."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

from backbone.bench.drivers.base import KAFKA_PYTHON, NAMES, Driver
from backbone.errors import ExitCode, StackError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CONFLUENT = "confluent-kafka==2.16.1"
"""The extra, as pyproject.toml pins it."""


def named(names: Sequence[str], java: Callable[[], Driver]) -> list[Driver]:
    """Return the clients of these names; `java` makes the Java one.

    Raises StackError("unknown-client"), or "client-missing" for one whose package is not installed.
    """
    unknown = [name for name in names if name not in NAMES]
    if unknown or len(set(names)) < len(names):
        raise StackError(
            "unknown-client",
            f"there is no client {unknown[0]!r}" if unknown else "a client is named twice",
            hint=f"./invoke bench --quick --client {','.join(NAMES)}",
            exit_code=ExitCode.USAGE,
        )
    make = {"kafka-python": lambda: KAFKA_PYTHON, "confluent-kafka": _confluent, "java": java}
    return [make[name]() for name in names]


def _confluent() -> Driver:
    try:
        package = importlib.import_module("confluent_kafka")
    except ImportError as error:
        raise StackError(
            "client-missing",
            "confluent-kafka is not installed",
            context=str(error),
            hint=f"{sys.executable} -m pip install {CONFLUENT}",
            exit_code=ExitCode.USAGE,
        ) from error
    from backbone.bench.drivers.confluent import ConfluentTarget  # noqa: PLC0415 - it is an extra

    library = package.libversion()[0]
    return Driver("confluent-kafka", f"{package.__version__} (librdkafka {library})", ConfluentTarget)
