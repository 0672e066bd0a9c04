"""A first contract for a topic: files that pass the check, to be filled in."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING

from backbone.errors import ExitCode, StackError
from backbone.stack import topic_rules

if TYPE_CHECKING:
    from pathlib import Path

_CONTRACT = """\
# The values of {topic}. Version N is vN.avsc; a version that was published never changes, a new one is added.
topic: {quoted}
key: event_id
owner: {owner}   # who answers for it
doc: What happened, one record an event.
# Consumers move to a new version first, and can read everything that was ever written.
compatibility: BACKWARD_TRANSITIVE
"""
_FIELDS = (
    ("event_id", '"string"', "UUID, unique for ever: the record's key."),
    ("occurred_at", '{"type": "long", "logicalType": "timestamp-millis"}', "When it happened, UTC."),
)


def write(folder: Path, topic: str, owner: str) -> list[Path]:
    """Write contract.yml and v1.avsc for a topic below the folder of contracts, and return them.

    Raises StackError("topic-name") for a name that no topic of an application can have, "contract-exists" if there is
    something already.
    """
    if reason := topic_rules.application_fault(topic):
        raise StackError("topic-name", reason, hint="./invoke contracts new orders", exit_code=ExitCode.USAGE)
    home = folder / f"{topic}-value"
    if home.exists():
        raise StackError(
            "contract-exists",
            f"{topic} has a contract already: {home}",
            hint="ls " + shlex.quote(str(home)),
            exit_code=ExitCode.USAGE,
        )
    home.mkdir(parents=True)
    texts = {
        "contract.yml": _CONTRACT.format(topic=topic, quoted=json.dumps(topic), owner=json.dumps(owner)),
        "v1.avsc": _schema(topic),
    }
    for name, text in texts.items():
        (home / name).write_text(text, encoding="utf-8")
    return [home / name for name in texts]


def _schema(topic: str) -> str:
    words = "".join(word.capitalize() for word in re.findall(r"[A-Za-z]+|[0-9]+", topic))
    name = words if words[:1].isalpha() else f"Topic{words}"
    fields = ",\n".join(f'    {{"name": "{field}", "type": {kind}, "doc": "{doc}"}}' for field, kind, doc in _FIELDS)
    return f"""{{
  "type": "record",
  "name": "{name}",
  "namespace": "backbone.events",
  "doc": "What happened, one record an event.",
  "fields": [
{fields}
  ]
}}
"""
