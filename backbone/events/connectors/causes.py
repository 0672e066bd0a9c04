"""What a failed connector's stack trace says: its first cause, and what to do about it."""

from __future__ import annotations

import re
from typing import NamedTuple


class Cause(NamedTuple):
    """The exception that everything else followed from, in words, the remedy, and the record ("" if none is known)."""

    words: str
    remedy: str
    place: str = ""

    @property
    def told(self) -> str:
        """The words, after the place of the record that they are about."""
        return f"{self.place}: {self.words}" if self.place else self.words


_CAUSED_BY = re.compile(r"^\s*Caused by: (.*)$", re.MULTILINE)
_JAVA_CLASS = re.compile(r"^(?:[a-z_][\w]*\.)+([A-Z][\w$]*)(?:: )?")

# How our sink begins what it says of a record: TOPIC-PARTITION@OFFSET.
_RECORD = re.compile(r"ConnectException: (\S+-\d+@\d+): ")

_AGAIN = "./invoke connectors restart"
_REFUSALS = {
    r"is of type \S+ but expression is of type|invalid input syntax|cannot be cast|operator does not exist": (
        "the table has a column of another type than the contract: alter it, or drop the table (the sink\n"
        f"makes a new one, and the topic still has the events);\n{_AGAIN}"
    ),
    r"no unique or exclusion constraint": (
        f"the table has no primary key of the connector's primary.key.fields: add it;\n{_AGAIN}"
    ),
    r"violates \S+ constraint|duplicate key|row violates|for type character varying": (
        "the table is stricter than the contract: relax the constraint, or publish a version of the\n"
        f"contract that promises as much;\n{_AGAIN}"
    ),
}
"""What a table says of a record: the sink of this stack puts it aside, another one fails."""

_REMEDIES = {
    **_REFUSALS,
    r"password authentication failed": (
        "the database has another password than secrets/postgres_password: restore that file, or give\n"
        f"the database the password that it holds;\n{_AGAIN}"
    ),
    # Hibernate tells no more when its first connection fails; the database's own log has the reason.
    r"Unable to determine Dialect": (
        "the database is away, or does not let the sink in: is it healthy, and is\n"
        "secrets/postgres_password the password it was made with?\n"
        f"./invoke status\n./invoke logs postgres\n{_AGAIN}"
    ),
    r"Connection (to \S+ )?refused|terminating connection|the database system is (starting|shutting)|UnknownHost": (
        f"start what it connects to\n./invoke up --profile messaging --profile data\n{_AGAIN}"
    ),
    r"column \S+ (of relation \S+ )?does not exist|relation \S+ does not exist": (
        f"the table lacks what the sink may not add: set schema.evolution: basic, or add it;\n{_AGAIN}"
    ),
    r"permission denied": f"grant the sink's user what it needs on the table;\n{_AGAIN}",
    r"database \S+ does not exist": "POSTGRES_DB in .env is not the database that was made first",
    r"Unknown magic byte|artifact reference cannot be null|Failed to deserialize": (
        "a record does not follow its contract: with errors.tolerance: all it goes to the dead-letter topic"
    ),
    r"No file found|Could not read file|secrets": (
        "the password's file is missing where the worker looks; this makes it\n"
        f"./invoke up --profile messaging --profile data\n{_AGAIN}"
    ),
    r"TopicAuthorization|UnknownTopicOrPartition|InvalidReplicationFactor": (
        f"the topic cannot be used\n./invoke topics list\n{_AGAIN}"
    ),
    r"No space left|could not extend file": f"the database's disk is full: make room;\n{_AGAIN}",
}


def explain(trace: str) -> Cause:
    """Return the innermost cause of a Java stack trace, and the remedy of the first pattern in its chain."""
    chain = [trace.strip().splitlines()[0] if trace.strip() else "", *_CAUSED_BY.findall(trace)]
    innermost = chain[-1]
    remedy = next(
        (words for pattern, words in _REMEDIES.items() if any(re.search(pattern, text) for text in chain)), ""
    )
    place = next((found[1] for text in chain if (found := _RECORD.search(text))), "")
    return Cause(_plain(innermost), remedy, place)


def remedy_of(reason: str) -> str:
    """Return what to do about the reason of a dead letter, before it is sent again; "" if that is not known."""
    found = next((words for pattern, words in _REFUSALS.items() if re.search(pattern, reason)), "")
    return found.removesuffix(_AGAIN).rstrip(";\n").replace("\n", " ")


def _plain(text: str) -> str:
    """Take the package off the exception's class: `PSQLException: FATAL: …`."""
    match = _JAVA_CLASS.match(text)
    return f"{match[1]}: {text[match.end() :]}".rstrip(": ") if match else text
