"""Where a run took place and how busy it was there: figures of different machines do not compare."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import psutil

from backbone import resources

if TYPE_CHECKING:
    from pathlib import Path

_PACKAGES = ("kafka-python", "hdrhistogram")


@dataclass(frozen=True, slots=True)
class Busy:
    """Shares of all CPU time (0-1) while something ran: used, and stolen by the hypervisor; load after."""

    used: float
    stolen: float
    load: float


@dataclass(frozen=True, slots=True)
class CpuMark:
    """The CPU counters at one moment, in seconds since boot."""

    total: float
    idle: float
    stolen: float


def mark() -> CpuMark:
    """Return the CPU counters now."""
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    return CpuMark(total=sum(times[:8]), idle=idle, stolen=getattr(times, "steal", 0.0))


def since(before: CpuMark) -> Busy:
    """Return how busy the machine has been since then."""
    now = mark()
    total = max(now.total - before.total, 1e-9)
    return Busy(
        used=1 - (now.idle - before.idle) / total,
        stolen=(now.stolen - before.stolen) / total,
        load=os.getloadavg()[0],
    )


def describe() -> dict[str, Any]:
    """Return processor, memory (bytes), kernel, versions and commit, as every report shows them."""
    return {
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **{name: _version(name) for name in _PACKAGES},
        **_ourselves(resources.checkout()),
        "load_before": os.getloadavg()[0],
        "timezone": time.strftime("%z"),
    }


def _ourselves(checkout: Path | None) -> dict[str, str]:
    """Return our version and, in a checkout, its commit; "+ changes" if the files are not as committed."""
    ours = {"backbone": resources.version()}
    if checkout is None:
        return ours
    try:
        commit = _git(checkout, "rev-parse", "--short", "HEAD")
        changed = _git(checkout, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return ours  # no git, or an unpacked archive
    return {**ours, "commit": f"{commit} + changes" if changed else commit}


def _git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    return done.stdout.strip()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def as_dict(busy: Busy) -> dict[str, float]:
    """Return the shares as the report holds them."""
    return asdict(busy)


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123 - a kernel file, not a path of ours
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
