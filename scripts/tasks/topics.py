"""Tasks for topics."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from backbone.errors import ExitCode, StackError

from .command import command
from .stack import COMMAND_CONFIG_HELP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from invoke import Context
    from kafka.admin import KafkaAdminClient


@command(
    actions={
        "list": (),
        "describe": ("name",),
        "create": ("name",),
        "delete": ("name",),
        "plan": (),
        "apply": (),
    },
    iterable=["set_"],
    help={
        "action": "list, describe NAME, create NAME, delete NAME, plan, apply",
        "name": "the topic",
        "partitions": "for create (default 3)",
        "replicas": "for create (default: the cluster's)",
        "set": "create: a setting of the topic, NAME=VALUE such as retention.ms=86400000; repeatable",
        "internal": "delete: also a topic that Kafka, the registry, Connect or dead letters are kept in",
        "yes": "delete: don't ask",
        "bootstrap": "HOST:PORT[,…] of another cluster",
        "command_config": COMMAND_CONFIG_HELP,
        "json": "print JSON",
    },
)
def topics(
    c: Context,
    action: str,
    name: str = "",
    partitions: int = 3,
    replicas: int = -1,
    set_: list[str] | None = None,
    internal: bool = False,
    yes: bool = False,
    bootstrap: str | None = None,
    command_config: str = "",
    json: bool = False,
) -> ExitCode:
    """Show, create or delete topics; `plan` and `apply` compare with infra/05-messaging/kafka/topics.yml.

    plan exits 1 while apply would change something; topics that the file does not name are shown and left alone.
    delete says what reads or feeds the topic, and asks.
    """
    from backbone import clients, console
    from backbone.stack import topics as library
    from backbone.stack.settings import Settings

    from . import targets

    # A file that is not valid is told before anything is asked of a cluster.
    wanted = library.read(Settings().root / library.FILE) if action in {"plan", "apply"} else ()
    new = library.Topic(name, partitions, replicas, _settings(set_ or ()))
    if action == "create":
        library.check(new)
    with clients.admin(targets.bootstrap(bootstrap, command_config)) as client:
        if action == "list":
            found = library.describe(client)
            rows = [(topic.name, topic.partitions, topic.replicas) for topic in found.values()]
            _print(
                json,
                ("NAME", "PARTITIONS", "REPLICAS"),
                sorted(rows),
                [asdict(found[row[0]]) for row in sorted(rows)],
            )
        elif action == "describe":
            _describe(client, name, json)
        elif action == "create":
            library.create(client, new)
            console.say(f"created {name}")
        elif action == "delete":
            _delete(client, name, internal=internal, yes=yes)
        else:
            changes = library.plan(wanted, library.describe(client))
            if action == "apply":
                library.apply(client, changes)
            mended = sum(change.mends for change in changes)
            _print(
                json,
                ("TOPIC", "STEP", "DETAIL"),
                [(x.topic.name, x.kind, x.detail) for x in changes],
                list(map(asdict, changes)),
            )
            console.say(f"{mended} {'changed' if action == 'apply' else 'to change'}")
            return ExitCode.FINDINGS if action == "plan" and mended else ExitCode.OK
    return ExitCode.OK


def _settings(given: Sequence[str]) -> dict[str, str]:
    """Return NAME=VALUE, … as settings."""
    pairs = [text.partition("=") for text in given]
    if wrong := ["".join(pair) for pair in pairs if not (pair[0] and pair[1])]:
        raise StackError(
            "bad-setting",
            f"--set wants NAME=VALUE, not {wrong[0]!r}",
            hint="such as --set retention.ms=86400000",
            exit_code=ExitCode.USAGE,
        )
    return {name: value for name, _, value in pairs}


def _delete(client: KafkaAdminClient, name: str, *, internal: bool, yes: bool) -> None:
    from rich.markup import escape

    from backbone import console
    from backbone.events import topic_uses
    from backbone.stack import groups
    from backbone.stack import topics as library
    from backbone.stack.settings import Settings

    if name not in client.list_topics():
        raise library.no_such(name)
    uses = topic_uses.find(Settings().root, name, groups.reading(client, name), internal=internal)
    console.say(escape("\n  ".join((f"this removes {name} with all its records", *uses))))
    if not yes and not console.confirm("remove it?"):
        flag = " --internal" if internal else ""
        raise StackError(
            "not-confirmed",
            f"{name} was not deleted",
            hint=f"./invoke topics delete {name}{flag} --yes",
            exit_code=ExitCode.USAGE,
        )
    library.delete(client, name)
    console.say(f"deleted {name}")


def _describe(client: KafkaAdminClient, name: str, json: bool) -> None:
    from backbone import console
    from backbone.stack import health
    from backbone.stack import topics as library

    found = library.describe(client, [name])
    if name not in found:
        raise library.no_such(name)
    partitions = [item for item in health.cluster_health(client).partitions if item.topic == name]
    rows = [(x.partition, x.leader, ",".join(map(str, x.replicas)), ",".join(map(str, x.isr))) for x in partitions]
    _print(
        json,
        ("PARTITION", "LEADER", "REPLICAS", "ISR"),
        rows,
        asdict(found[name]) | {"state": list(map(asdict, partitions))},
    )
    if not json:
        console.say(
            f"{name}: min ISR {partitions[0].min_isr}, "
            + (", ".join(f"{k}={v}" for k, v in found[name].config.items()) or "no own configuration")
        )


def _print(json: bool, columns: tuple[str, ...], rows: Sequence[Sequence[object]], value: object) -> None:
    from backbone import console

    if json:
        console.print_json(value)
    else:
        console.print_table(columns, rows)
