"""What is asked of a cluster, what a broker bears, and the size that follows. Bytes and seconds throughout."""

from __future__ import annotations

from dataclasses import dataclass

from backbone.errors import ExitCode, StackError


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked for.

    rate: records a second at the peak; size: bytes of a record; retention: seconds; consumers: groups that read it all;
    growth: what it is multiplied by; bear: brokers that may be away at once while everything goes on; consumer_rate:
    records a second that one consumer works off; partitions: 0 to have them reckoned; segment: segment.bytes.
    Raises StackError("bad-demand") for what no cluster can be sized by.
    """

    rate: float
    size: float
    retention: float
    replicas: int = 3
    consumers: int = 1
    growth: float = 1.0
    bear: int = 1
    consumer_rate: float = 2_000.0
    partitions: int = 0
    segment: float = 2.0**30

    def __post_init__(self) -> None:
        wrong = [
            name
            for name in ("rate", "size", "retention", "replicas", "growth", "consumer_rate", "segment")
            if getattr(self, name) <= 0
        ] + [name for name in ("consumers", "bear", "partitions") if getattr(self, name) < 0]
        if wrong:
            raise _bad(f"{', '.join(wrong)} cannot be that small")
        if self.bear >= self.replicas:
            raise _bad(
                f"{self.replicas} copies do not bear the loss of {self.bear} brokers: the last copy would be gone",
                f"./invoke capacity --rate {self.rate:g} --bear {self.bear} --replicas {self.bear + 2}",
            )

    @property
    def ingress(self) -> float:
        """Bytes a second that producers send, grown."""
        return self.rate * self.size * self.growth


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one broker bears: write-equivalent bytes a second with `cpus` cores, and who says so."""

    rate: float
    cpus: float
    source: str


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the reckoning: a quantity, its value and unit, how it follows, and where the rule comes from."""

    name: str
    value: float
    unit: str
    formula: str
    source: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The size. disk, memory: bytes of one broker; heap: bytes of it; load: write-equivalent bytes a second of all."""

    demand: Demand
    capacity: Capacity
    brokers: int
    controllers: int
    partitions: int
    disk: float
    memory: float
    heap: float
    load: float
    steps: tuple[Step, ...]
    warnings: tuple[str, ...]

    @property
    def utilisation(self) -> float:
        """The share of its capacity that a broker uses while all are there."""
        return self.load / self.brokers / self.capacity.rate


def _bad(message: str, hint: str = "./invoke capacity --rate 10000") -> StackError:
    return StackError("bad-demand", message, hint=hint, exit_code=ExitCode.USAGE)
