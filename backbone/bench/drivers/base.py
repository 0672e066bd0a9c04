"""A client as a benchmark sees it: its name, its version, and how its two processes are started."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from backbone.bench.drivers.kafka_python import KafkaTarget
from backbone.bench.run import python_worker

if TYPE_CHECKING:
    from backbone.bench.run import Start


NAMES = ("kafka-python", "confluent-kafka", "java")
"""The clients there are, in the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class Driver:
    """One client. target: how both ends reach the cluster; start: how a process with one end is started."""

    name: str
    version: str
    target: type[KafkaTarget] = KafkaTarget
    start: Start = python_worker


KAFKA_PYTHON = Driver("kafka-python", version("kafka-python"))
"""The client of every task of this repository."""
