"""What the stack's Prometheus says."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


class Stack(Protocol):
    """What knows where Prometheus is."""

    @property
    def endpoints(self) -> Mapping[str, str]:
        """Return the addresses by their variables' names."""


def ask(stack: Stack, what: str, **parameters: str) -> Any:
    """Return the data of an answer of its API (https://prometheus.io/docs/prometheus/latest/querying/api/)."""
    url = stack.endpoints["PROMETHEUS_URL"] + f"api/v1/{what}?{urllib.parse.urlencode(parameters)}"
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310
        return json.load(answer)["data"]


def query(stack: Stack, expression: str) -> list[Any]:
    """Return the series that an expression has now."""
    found: list[Any] = ask(stack, "query", query=expression)["result"]
    return found


def up_targets(stack: Stack) -> set[str]:
    """Return the services whose metrics it gets."""
    targets = ask(stack, "targets")["activeTargets"]
    return {target["labels"]["instance"].split(":")[0] for target in targets if target["health"] == "up"}


def firing(stack: Stack) -> list[Mapping[str, str]]:
    """Return the labels of the alerts that fire, alertname among them."""
    return [alert["labels"] for alert in ask(stack, "alerts")["alerts"] if alert["state"] == "firing"]
