"""What the figures of a report hold for: when, on which machine, with which versions."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def facts_of(started: str, machine: Mapping[str, Any], **more: str) -> dict[str, str]:
    """Return what a page says of a report's origin.

    started: ISO 8601, "" if nobody knows. machine: as `backbone.bench.machine.describe` returns it, or empty.
    """
    size = f"{machine['cpus']} CPUs, {machine['memory_bytes'] / 1e9:.0f} GB" if machine else None
    versions = {"messaging-backbone": "backbone", "Kafka": "kafka", "Python": "python", "kafka-python": "kafka-python"}
    return {
        "measured": _date(started),
        **more,
        "machine": ", ".join(filter(None, (machine.get("processor"), size, machine.get("system")))),
        "versions": ", ".join(f"{name} {machine[key]}" for name, key in versions.items() if machine.get(key)),
        "commit": machine.get("commit", ""),
    }


def _date(started: str) -> str:
    if not started:
        return ""
    at = dt.datetime.fromisoformat(started)
    return f"{at.day} {at:%B %Y}" + (f"{at:, %H:%M %Z}" if "T" in started else "")
