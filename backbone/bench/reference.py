"""Kafka's own tools as the yardstick: EndToEndLatency and ProducerPerformance, on the brokers' JRE and jars.

The Java client is the reference implementation, so the distance between it and ours on the same topic of the
same cluster, taken in turns, is what Python and our settings cost; the machine cancels out.
"""

from __future__ import annotations

import itertools
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backbone.errors import ExitCode, StackError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_TIMEOUT_S = 600
_PERCENTILES = re.compile(r"Percentiles: 50th = (\d+), 99th = (\d+), 99\.9th = (\d+)")
_AVERAGE = re.compile(r"Avg latency: ([\d.]+) ms")
_FETCHED = "fetch.MB.sec"
_PRODUCED = re.compile(
    r"([\d.]+) records/sec \(([\d.]+) MB/sec\), ([\d.]+) ms avg latency, ([\d.]+) ms max latency, "
    r"(\d+) ms 50th, (\d+) ms 95th, (\d+) ms 99th, (\d+) ms 99\.9th"
)


@dataclass(frozen=True, slots=True)
class Java:
    """How to start one of Kafka's tools: the launcher, the jars, where to write its log settings."""

    launcher: Path
    jars: Sequence[Path]

    def command(self, main: str, *arguments: str) -> list[str]:
        """Return the command line that starts a class."""
        return [
            str(self.launcher),
            *("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-Dlog4j2.level=ERROR"),
            *("-cp", ":".join(map(str, self.jars)), main, *arguments),
        ]

    def run(self, tool: str, *arguments: str) -> str:
        """Return what a tool printed; StackError("java-tool") if it fails."""
        argv = self.command(f"org.apache.kafka.tools.{tool}", *arguments)
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _failed(tool, str(error)) from error
        if done.returncode != 0:
            raise _failed(tool, (done.stderr or done.stdout)[-1000:])
        return done.stdout


@dataclass(frozen=True, slots=True)
class EndToEnd:
    """What EndToEndLatency says, in ms: an exact mean, percentiles cut to whole ms."""

    mean: float
    p50: float
    p99: float
    p999: float


@dataclass(frozen=True, slots=True)
class Produced:
    """What ProducerPerformance says: records/s, MB/s (2^20 bytes), ms from actual send to acknowledgement."""

    records: float
    megabytes: float
    mean: float
    maximum: float
    p50: float
    p95: float
    p99: float
    p999: float


def end_to_end(java: Java, bootstrap: Sequence[str], topic: str, count: int, size: int) -> EndToEnd:
    """Run EndToEndLatency (acks=all) over an existing topic: a missing one it would make unreplicated."""
    return parse_end_to_end(java.run("EndToEndLatency", ",".join(bootstrap), topic, str(count), "all", str(size)))


def parse_end_to_end(text: str) -> EndToEnd:
    """Return the figures in the tool's output; StackError("java-tool") if they are not there."""
    mean, percentiles = _AVERAGE.search(text), _PERCENTILES.search(text)
    if mean is None or percentiles is None:
        raise _failed("EndToEndLatency", text[-1000:])
    return EndToEnd(float(mean[1]), *(float(percentiles[group]) for group in (1, 2, 3)))


def produce(
    java: Java,
    bootstrap: Sequence[str],
    topic: str,
    *,
    count: int,
    size: int,
    rate: float,
    settings: Mapping[str, str],
) -> Produced:
    """Run ProducerPerformance at a mean rate (records/s; -1: as fast as it can) with the client settings given."""
    text = java.run(
        "ProducerPerformance",
        *("--bootstrap-server", ",".join(bootstrap), "--topic", topic),
        *("--num-records", str(count), "--record-size", str(size), "--throughput", f"{rate:g}"),
        *("--command-property", *(f"{name}={value}" for name, value in settings.items())),
    )
    return parse_produced(text)


def consume(java: Java, bootstrap: Sequence[str], topic: str, count: int, settings: Mapping[str, str]) -> float:
    """Run ConsumerPerformance and return MB/s (2^20 bytes) of its fetching, the joining of its group left out."""
    text = java.run(
        "ConsumerPerformance",
        *("--bootstrap-server", ",".join(bootstrap), "--topic", topic, "--num-records", str(count)),
        *(part for name, value in settings.items() for part in ("--command-property", f"{name}={value}")),
    )
    return parse_consumed(text)


def parse_consumed(text: str) -> float:
    """Return fetch.MB.sec of the tool's table; StackError("java-tool") if it is not there."""
    lines = [[word.strip() for word in line.split(",")] for line in text.splitlines()]
    for names, values in itertools.pairwise(lines):
        if _FETCHED in names and len(names) == len(values):
            return float(values[names.index(_FETCHED)])
    raise _failed("ConsumerPerformance", text[-1000:])


def parse_produced(text: str) -> Produced:
    """Return the figures of the tool's last summary line; StackError("java-tool") if there is none."""
    found = list(_PRODUCED.finditer(text))
    if not found:
        raise _failed("ProducerPerformance", text[-1000:])
    return Produced(*map(float, found[-1].groups()))


def _failed(tool: str, words: str) -> StackError:
    return StackError("java-tool", f"Kafka's {tool} failed", context=words, exit_code=ExitCode.ENVIRONMENT)
