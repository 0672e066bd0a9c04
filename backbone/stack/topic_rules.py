"""What Kafka allows a topic to be: its name, its settings, and which topics are somebody's own memory."""

from __future__ import annotations

import difflib
import functools
import json
import math
import re
from types import MappingProxyType
from typing import TYPE_CHECKING

from backbone import resources

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_DATA_FILE = resources.schema("kafka-properties.json")
_LONGEST = 249

INTERNAL: Mapping[str, str] = MappingProxyType(
    {
        "__consumer_offsets": "the places of all consumer groups",
        "__transaction_state": "the state of transactions",
        "__share_group_state": "the places of share groups",
        "__cluster_metadata": "the metadata of the cluster",
        # Apicurio's names (apicurio.kafkasql.topic and its two neighbours), Confluent's, and those of
        # infra/05-messaging/connect/connect-distributed.properties.
        "kafkasql-journal": "all contracts of the Schema Registry",
        "kafkasql-snapshots": "snapshots of the Schema Registry",
        "registry-events": "events of the Schema Registry",
        "_schemas": "all contracts of the Schema Registry",
        "_connect-configs": "the connectors of Kafka Connect",
        "_connect-offsets": "the places of Kafka Connect's sources",
        "_connect-status": "the state of Kafka Connect's connectors",
    }
)
"""Topics that are a part's own memory, and what is lost with each."""

_WHOLE = {"short": 2**15, "int": 2**31, "long": 2**63}
_RANGE = re.compile(r"\[(?P<low>-?\d+)?,\.\.\.,?(?P<high>-?\d+)?\](?: or (?P<or>-?\d+))?")
_WORDS = re.compile(r"\[[\w-]+(, [\w-]+)*\]")


def memory(name: str) -> str:
    """Return what a topic holds for Kafka, the registry or Connect, "" for a topic of applications."""
    return INTERNAL.get(name, "internal state of Kafka" if name.startswith("__") else "")


def name_fault(name: str) -> str:
    """Return why Kafka refuses a name, "" for one it takes (org.apache.kafka.common.internals.Topic)."""
    if not name:
        return "a topic needs a name"
    if name in {".", ".."}:
        return f"a topic cannot be called {name!r}"
    if strange := sorted(set(re.sub(r"[a-zA-Z0-9._-]", "", name))):
        return f"the name {name[:60]!r} has {', '.join(map(repr, strange[:5]))}: Kafka takes a-z, A-Z, 0-9, . _ and -"
    if len(name) > _LONGEST:
        return f"the name has {len(name)} characters, Kafka takes {_LONGEST} at most"
    return ""


def application_fault(name: str) -> str:
    """Return why no application can have a topic of this name: Kafka refuses it, or it is a part's own memory."""
    kept = memory(name)
    return name_fault(name) or (f"{name} holds {kept}: the part that keeps it also makes it" if kept else "")


def collision(name: str, others: Iterable[str]) -> str:
    """Return the other topic that Kafka takes for the same in its metrics, where a dot is an underscore; "" if none."""
    alike = name.replace(".", "_")
    return next((each for each in sorted(others) if each != name and each.replace(".", "_") == alike), "")


def setting_fault(name: str, value: str) -> str:
    """Return why Kafka refuses a topic's setting, "" for one it takes: known name, type, and valid values.

    What Kafka says of them itself (LogConfig, KIP-4) is kept in schemas/kafka-properties.json.
    """
    known = _settings()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        meant = f"; did you mean {near[0]}?" if near else ""
        return f"Kafka has no topic setting {name[:60]}{meant}"
    kind, valid = known[name]
    reason = _value_fault(value.strip(), kind, valid)
    return reason and f"{name} {reason}, not {value[:60]!r}"


@functools.cache
def _settings() -> Mapping[str, tuple[str, str]]:
    document = json.loads(_DATA_FILE.read_text(encoding="utf-8"))
    topic: dict[str, list[str]] = document["topic"]
    for later in document["later"].values():  # a broker that is older than the setting says so itself
        topic |= later.get("topic", {}).get("set", {})
    return {name: (kind, valid) for name, (kind, _, valid) in topic.items()}


def _value_fault(value: str, kind: str, valid: str) -> str:
    if kind in _WHOLE:
        whole = len(value) < len(str(2**64)) and re.fullmatch(r"[+-]?[0-9]+", value)
        if not whole or not -_WHOLE[kind] <= int(value) < _WHOLE[kind]:
            return f"wants a whole number of {'64' if kind == 'long' else '32'} bits"
        return _range_fault(int(value), valid)
    if kind == "double":
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        return _range_fault(number, valid) if math.isfinite(number) else "wants a number"
    if kind == "boolean":
        return "" if value.lower() in {"true", "false"} else "wants true or false"
    if not _WORDS.fullmatch(valid):
        return ""
    words = valid.strip("[]").split(", ")
    given = [each.strip() for each in value.split(",") if each.strip()] if kind == "list" else [value]
    return "" if set(given) <= set(words) else f"wants {' or '.join(words)}"


def _range_fault(number: float, valid: str) -> str:
    found = _RANGE.fullmatch(valid)
    if found is None or (found["or"] and number == float(found["or"])):
        return ""
    low, high = found["low"], found["high"]
    if (low and number < float(low)) or (high and number > float(high)):
        upto = f" to {high}" if high else " or more"
        return f"wants {low}{upto}" + (f", or {found['or']}" if found["or"] else "")
    return ""
