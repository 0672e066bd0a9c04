"""The reckoning, each line with its rule and the source of the rule. Nothing here is measured or random."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from backbone.capacity.model import Plan, Step

if TYPE_CHECKING:
    from backbone.capacity.model import Capacity, Demand

TARGET = 0.5
READ_COST = 0.25
FULL = 0.6
_BUFFER_S = 30
_HEAP_LEAST = 2**30
_HEAP_PARTITION = 2**18
_HEAP_MOST = 6 * 2**30
_SYSTEM = 2**30
_ROLLED_S = 7 * 86_400
_MAPS = 65_530
_MAPS_SEGMENT = 2
_PARTITIONS_BROKER = 4_000
_DEDICATED = 3

_PUBLISHED = "Google, Managed Kafka: plan cluster size"
_KAFKA_DOCS = "Kafka documentation, hardware and OS"
_OWN = "this project's rule"


@dataclass
class _Ledger:
    """Keeps each line as it is reckoned."""

    steps: list[Step] = field(default_factory=list)

    def add(self, name: str, value: float, unit: str, formula: str, source: str = "") -> float:
        self.steps.append(Step(name, value, unit, formula, source))
        return value


def equivalent(ingress: float, replicas: int, consumers: int) -> float:
    """Return the write-equivalent bytes a second of a stream: what is written, and a quarter of what is read."""
    return ingress * replicas + READ_COST * ingress * (consumers + replicas - 1)


def plan(demand: Demand, capacity: Capacity) -> Plan:
    """Return the size that a demand asks for, from what one broker bears."""
    book = _Ledger()
    ingress = book.add("produced", demand.ingress, "B/s", "rate × size × growth")
    book.add("written", ingress * demand.replicas, "B/s", "produced × replicas", _PUBLISHED)
    book.add(
        "read",
        ingress * (demand.consumers + demand.replicas - 1),
        "B/s",
        "produced × (consumers + replicas - 1)",
        _PUBLISHED,
    )
    load = book.add(
        "load", equivalent(ingress, demand.replicas, demand.consumers), "B/s", "written + read / 4", _PUBLISHED
    )
    book.add("a broker bears", capacity.rate, "B/s", f"at {capacity.cpus:g} cores", capacity.source)
    needed = math.ceil(load / (capacity.rate * TARGET))
    brokers = int(
        book.add(
            "brokers",
            max(needed + demand.bear, demand.replicas, demand.bear + demand.replicas - 1),
            "",
            f"load / (capacity × {TARGET:.0%}) + those that may be away; at least the copies",
            f"{_PUBLISHED} (50 %); {_OWN}",
        )
    )
    one = equivalent(demand.size, demand.replicas, demand.consumers)
    book.add("highest rate", capacity.rate * brokers / one, "records/s", "capacity × brokers / load of one record")
    controllers = int(
        book.add(
            "controllers",
            2 * max(demand.bear, 1) + 1,
            "",
            "2 × away + 1: a majority stays",
            "Kafka documentation, KRaft",
        )
    )
    partitions = int(_partitions(book, demand, brokers))
    copies = book.add(
        "copies on a broker", partitions * demand.replicas / brokers, "", "partitions × replicas / brokers"
    )
    disk = _disk(book, demand, brokers, copies)
    book.add("network in", ingress * demand.replicas / brokers, "B/s", "written / brokers")
    book.add("network out", ingress * (demand.replicas - 1 + demand.consumers) / brokers, "B/s", "read / brokers")
    heap = book.add(
        "heap",
        min(max(_HEAP_LEAST, copies * _HEAP_PARTITION), _HEAP_MOST),
        "B",
        "256 KiB a copy, 1 to 6 GiB",
        f"{_OWN}; Kafka documentation, Java (6 GiB)",
    )
    cache = book.add(
        "page cache", ingress * demand.replicas / brokers * _BUFFER_S, "B", f"network in × {_BUFFER_S} s", _KAFKA_DOCS
    )
    memory = book.add("memory", heap + cache + _SYSTEM, "B", "heap + page cache + 1 GiB", _OWN)
    return Plan(
        demand, capacity, brokers, controllers if brokers > _DEDICATED else 0, partitions, disk, memory, heap, load,
        tuple(book.steps), tuple(_warnings(demand, copies)),
    )  # fmt: skip


def _partitions(book: _Ledger, demand: Demand, brokers: int) -> float:
    if demand.partitions:
        return book.add("partitions", demand.partitions, "", "as asked")
    workers = demand.rate * demand.growth / demand.consumer_rate
    even = math.ceil(max(workers, brokers) / brokers) * brokers
    return book.add(
        "partitions",
        even,
        "",
        "rate / what one consumer works off, the next multiple of the brokers",
        "a partition has one reader in a group (Kafka documentation)",
    )


def _disk(book: _Ledger, demand: Demand, brokers: int, copies: float) -> float:
    kept = demand.ingress * demand.retention * demand.replicas / brokers
    book.add("kept", kept, "B", "produced × retention × replicas / brokers")
    rolled = demand.ingress * _ROLLED_S * demand.replicas / brokers
    still = book.add(
        "open segments",
        min(copies * demand.segment, rolled),
        "B",
        "one a copy, or what comes in a week: whole segments are deleted",
        "Kafka documentation, segment.bytes and segment.ms",
    )
    return book.add("disk", (kept + still) / FULL, "B", f"(kept + open segments) / {FULL:.0%}", _OWN)


def _warnings(demand: Demand, copies: float) -> list[str]:
    found = []
    per_copy = demand.ingress * demand.retention / max(copies, 1)
    segments = copies * (per_copy / demand.segment + 1)
    if (maps := segments * _MAPS_SEGMENT) > _MAPS:
        found.append(f"{maps:,.0f} memory maps a broker: raise vm.max_map_count (65,530), or segment.bytes")
    if copies > _PARTITIONS_BROKER:
        found.append(
            f"{copies:,.0f} copies on a broker: more than {_PARTITIONS_BROKER:,} take long to open after a crash"
        )
    if demand.bear > demand.replicas - 2:
        found.append(
            f"with {demand.bear} away, {demand.replicas} copies with a min ISR of {demand.replicas - 1} refuse writes"
        )
    return found
