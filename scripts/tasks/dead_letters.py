"""Dead letters: what was put aside and why, and sending it again when the fault is fixed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from .command import command
from .stack import COMMAND_CONFIG_HELP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from invoke.context import Context

    from backbone.events.dead_letters import Box, Letter
    from backbone.stack.settings import Settings

_READ_AGAIN = "consume reads the topic as it is"


@command(
    actions={"list": (), "show": (), "replay": (), "discard": ()},
    iterable=["topic"],
    help={
        "action": "list | show | replay | discard",
        "topic": "a topic of dead letters; repeatable. Default: those that the connectors in git name",
        "cause": "only this cause, as list names it",
        "key": "only records with this key",
        "place": "only this record: TOPIC-PARTITION@OFFSET, as show names it",
        "max": "show at most so many; 0: all",
        "rate": "replay: records a second",
        "again": "replay: also what was sent again before and refused for the same cause",
        "yes": "replay, discard: do it; without it, say what would be done",
        "bootstrap": "HOST:PORT of a broker; default: this stack's",
        "command_config": COMMAND_CONFIG_HELP,
        "registry": "URL of a registry with Confluent's API; default: this stack's",
        "json": "list: print one JSON document on stdout",
    },
)
def dead_letters(
    _c: Context,
    action: str,
    *,
    topic: list[str] | None = None,
    cause: str = "",
    key: str = "",
    place: str = "",
    max_: int = 20,
    rate: int = 100,
    again: bool = False,
    yes: bool = False,
    bootstrap: str = "",
    command_config: str = "",
    registry: str = "",
    json: bool = False,
) -> None:
    """Show the records that were put aside, by cause and one by one, and send them again.

    list groups them by cause. show prints each as a JSON line, by contract. replay sends them to where they came from,
    with their key and a header `replayed-from`: each once, however often it is killed and started. discard marks those
    that need not be sent again.
    """
    from backbone.events import dead_letters as library
    from backbone.events import replaying
    from backbone.stack.settings import Settings

    from . import targets

    settings = Settings()
    brokers = targets.brokers(settings, bootstrap, command_config)
    topics = topic or _topics(settings)
    only = {"cause": cause, "key": key, "place": place}
    if action == "replay":
        _replay(brokers, topics, only, rate=rate, again=again, yes=yes)
        return
    if action == "discard" and yes:
        for name in topics:
            count = replaying.discard(brokers, name, lambda box: library.select(box.waiting(), **only))
            _say(f"{name}: {count} records discarded; they are kept as long as the topic keeps them")
        return
    boxes = [library.open_box(brokers, name) for name in topics]
    if action == "list":
        _list(boxes, json=json)
        return
    if action == "discard":
        for box in boxes:
            _say(f"{box.topic}: {len(library.select(box.waiting(), **only))} records would be discarded; --yes does it")
        return
    _show(settings, registry, [each for box in boxes for each in library.select(box.waiting(), **only)], max_)


def _say(words: str) -> None:
    from rich.markup import escape

    from backbone import console

    console.say(escape(words))


def _topics(settings: Settings) -> list[str]:
    from backbone.events.connectors import files

    known = files.load(settings.root / files.FOLDER, files.SCHEMA_FILE)
    return list(dict.fromkeys(each.dead_letters for each in known if each.dead_letters))


def _list(boxes: Sequence[Box], *, json: bool) -> None:
    from rich.markup import escape

    from backbone import console
    from backbone.events import dead_letters as library
    from backbone.events.connectors.causes import remedy_of

    rows = [(box.topic, group) for box in boxes for group in library.groups(box)]
    if json:
        body = [
            {"topic": topic, **group._asdict(), "first": group.first.isoformat(), "last": group.last.isoformat()}
            for topic, group in rows
        ]
        console.print_json({"causes": body})
    elif rows:
        console.print_table(
            ("topic", "cause", "records", "sent again", "discarded", "first", "last", "reason of the last"),
            [
                (topic, g.cause, g.letters, g.replayed, g.discarded, f"{g.first:%F %T}", f"{g.last:%F %T}", g.reason)
                for topic, g in rows
            ],
        )
        console.say(f"times are UTC; {_READ_AGAIN}")
        reasons = {group.cause: group.reason for _, group in rows if group.letters > group.replayed + group.discarded}
        for cause, reason in reasons.items():
            if remedy := remedy_of(reason):
                console.say(escape(f"{cause}: {remedy}, then ./invoke dead-letters replay --cause {cause}"))
    else:
        console.say("there are no dead letters")


def _show(settings: Settings, registry: str, letters: Sequence[Letter], most: int) -> None:
    import json

    from backbone import console
    from backbone.events.contracts.wire import Decoder

    from .contracts import open_registry

    decoder = Decoder(open_registry(settings, registry).schema)
    shown = letters[:most] if most > 0 else letters
    for letter in shown:
        sys.stdout.write(json.dumps(_line(letter, decoder), ensure_ascii=False) + "\n")
    if not letters:
        console.say("no dead letter of these waits")
    if len(shown) < len(letters):
        console.say(f"{len(letters) - len(shown)} more; --max 0 shows all")


def _line(letter: Letter, decoder: Any) -> dict[str, Any]:
    import base64
    from datetime import UTC, datetime

    from backbone.errors import StackError
    from backbone.events.contracts.values import to_json

    head: dict[str, Any] = {
        "place": str(letter.identity),
        "dead_letter": str(letter.lies),
        "at": datetime.fromtimestamp(letter.at / 1000, UTC).isoformat(timespec="seconds"),
        "cause": letter.cause,
        "reason": letter.reason,
        "key": None if letter.key is None else letter.key.decode("utf-8", "replace"),
        "headers": {name: (value or b"").decode("utf-8", "replace") for name, value in letter.own_headers},
    }
    if letter.value is None:
        return {**head, "value": None}
    try:
        return {**head, "value": to_json(decoder.decode(letter.value))}
    except StackError as error:
        return {**head, "error": str(error), "raw": base64.b64encode(letter.value).decode()}


def _replay(
    brokers: Sequence[str], topics: Sequence[str], only: dict[str, str], *, rate: int, again: bool, yes: bool
) -> None:
    from backbone import console
    from backbone.events import replaying

    total = 0
    for topic in topics:
        due = replaying.send_again(brokers, topic, only, rate=rate, again=again, dry=not yes)
        total += len(due.send)
        _tell(topic, due, "sent again" if yes else "would be sent again")
    if total and not yes:
        console.say("nothing was sent; --yes does it")


def _tell(topic: str, due: Any, what: str) -> None:
    from backbone import console

    console.say(f"{topic}: {len(due.send)} records {what}")
    if due.alike:
        console.say(f"{len(due.alike)} were sent again before and refused for the same cause; --again sends them")
    if due.homeless:
        console.say(f"{len(due.homeless)} do not say where they came from, or have neither key nor value")
