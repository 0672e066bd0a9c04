"""Consumer groups: how far behind they are, and moving or deleting their places."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from .command import command
from .stack import COMMAND_CONFIG_HELP

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from invoke.context import Context
    from kafka.admin import KafkaAdminClient

    from backbone.errors import StackError
    from backbone.stack.groups import Group, Member, Move, Place


@command(
    actions={"list": (), "describe": ("name",), "reset": ("name",), "delete": ("name",)},
    iterable=["partition"],
    help={
        "action": "list, describe NAME, reset NAME, delete NAME",
        "name": "the group; a sink connector's is connect-CONNECTOR",
        "to": "reset: earliest | latest | an offset | a moment such as 2026-01-31T12:00:00Z",
        "topic": "reset: only on this topic; default: all that the group has offsets on",
        "partition": "reset: only this partition; repeatable",
        "yes": "reset: do it (without it, say what would be done); delete: don't ask",
        "bootstrap": "HOST:PORT[,…] of another cluster",
        "command_config": COMMAND_CONFIG_HELP,
        "json": "list, describe, reset: print JSON",
    },
)
def groups(
    _c: Context,
    action: str,
    name: str = "",
    *,
    to: str = "",
    topic: str = "",
    partition: list[str] | None = None,
    yes: bool = False,
    bootstrap: str = "",
    command_config: str = "",
    json: bool = False,
) -> None:
    """Show consumer groups and their lag, move their places, or delete them.

    Lag in seconds is how long the oldest record that is not committed has been waiting, by its timestamp. reset and
    delete refuse a group with members; share groups are listed only.
    """
    from rich.markup import escape

    from backbone import clients, console
    from backbone.stack import groups as library

    from . import targets

    numbers = list(map(_number, partition or ()))
    if action == "reset" and not to:
        raise _usage("no-target", "reset wants --to", f"./invoke groups reset {quote(name)} --to earliest")
    brokers = targets.bootstrap(bootstrap, command_config)
    with clients.admin(brokers) as client:
        if action == "list":
            _list(client, brokers, json=json)
        elif action == "describe":
            _describe(client, brokers, library.named(client, name), json=json)
        elif action == "reset":
            moves = library.plan_reset(client, name, to, topic=topic, partitions=numbers)
            if yes:
                library.reset(client, name, moves)
            _tell(moves, done=yes, json=json)
        else:
            _delete(client, name, yes=yes)
            console.say(escape(f"deleted {name}"))


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):  # noqa: PLR2004 - Kafka's are 32-bit numbers
        raise _usage("bad-number", f"--partition wants a number, not {text!r}", "such as --partition 0")
    return int(text)


def _usage(reference: str, message: str, hint: str) -> StackError:
    from backbone.errors import ExitCode, StackError

    return StackError(reference, message, hint=hint, exit_code=ExitCode.USAGE)


def _look(
    client: KafkaAdminClient, brokers: Sequence[str], found: Sequence[Group]
) -> tuple[Mapping[str, Sequence[Place]], Mapping[str, float | None], Mapping[str, Sequence[Member]]]:
    """Return the places of groups, how long their records have been waiting, and their members."""
    import time
    from contextlib import closing

    from backbone import clients
    from backbone.stack import groups as library

    held = library.places(client, found)
    if not any(place.lag for places in held.values() for place in places):
        seconds: Mapping[str, float | None] = dict.fromkeys(held, 0.0)
    else:
        # One byte: a broker answers with the one batch that holds the record. What a transaction has not committed yet
        # waits as well.
        settings = {"max_partition_fetch_bytes": 1, "isolation_level": "read_uncommitted", "group_id": None}
        with closing(clients.consumer(brokers, **settings)) as consumer:
            seconds = library.waiting(consumer, held, time.time() * 1000)
    return held, seconds, library.members(client, found)


def _list(client: KafkaAdminClient, brokers: Sequence[str], *, json: bool) -> None:
    from backbone import console
    from backbone.stack import groups as library

    found = library.find(client)
    held, seconds, members = _look(client, brokers, found)
    rows = [
        {
            "name": group.name,
            "type": group.kind,
            "state": group.state,
            "members": len(members[group.name]) if group.name in members else None,
            "lag_records": sum(place.lag for place in held[group.name]) if group.name in held else None,
            "lag_seconds": seconds.get(group.name),
        }
        for group in found
    ]
    if json:
        console.print_json(rows)
    elif rows:
        columns = ("NAME", "TYPE", "STATE", "MEMBERS", "LAG", "BEHIND")
        console.print_table(columns, [tuple(map(_shown, row.values())) for row in rows])
    else:
        console.say("there are no groups")


def _shown(value: object) -> object:
    if value is None:
        return "-"
    from backbone import console

    return console.duration(value) if isinstance(value, float) else value


def _describe(client: KafkaAdminClient, brokers: Sequence[str], group: Group, *, json: bool) -> None:
    from dataclasses import asdict

    from rich.markup import escape

    from backbone import console

    held, seconds, members = _look(client, brokers, [group])
    places, who = held.get(group.name, ()), members.get(group.name)
    if json:
        value = {
            "name": group.name,
            "type": group.kind,
            "state": group.state,
            "lag_seconds": seconds.get(group.name),
            "members": None if who is None else list(map(asdict, who)),
            "places": [asdict(place) | {"lag": place.lag} for place in places],
        }
        console.print_json(value)
        return
    reader = {partition: f"{each.client} ({each.host})" for each in who or () for partition in each.partitions}
    rows = [
        (p.topic, p.partition, p.committed, p.end, p.lag, reader.get(f"{p.topic}-{p.partition}", "-")) for p in places
    ]
    console.print_table(("TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "MEMBER"), rows)
    count = "members unknown" if who is None else f"{len(who)} members"
    age = seconds.get(group.name)
    lag = f"the oldest unread record is {age:.1f} s old" if age else "no lag" if age == 0 else "lag in seconds unknown"
    console.say(escape(f"{group.name}: {group.kind}, {group.state}, {count}, {lag}"))


def _tell(moves: Sequence[Move], *, done: bool, json: bool) -> None:
    from dataclasses import asdict

    from backbone import console

    if json:
        console.print_json(list(map(asdict, moves)))
    else:
        rows = [(move.topic, move.partition, _shown(move.before), move.after) for move in moves]
        console.print_table(("TOPIC", "PARTITION", "FROM", "TO"), rows)
    if done or not moves:
        console.say(f"{len(moves)} places moved")
    else:
        console.say(f"{len(moves)} places would be moved; nothing was, --yes does it")


def _delete(client: KafkaAdminClient, name: str, *, yes: bool) -> None:
    from rich.markup import escape

    from backbone import console
    from backbone.stack import groups as library

    library.named(client, name)
    console.say(escape(f"this removes the group {name} and all its places"))
    if not yes and not console.confirm("remove it?"):
        raise _usage("not-confirmed", f"{name} was not deleted", f"./invoke groups delete {quote(name)} --yes")
    library.delete(client, name)
