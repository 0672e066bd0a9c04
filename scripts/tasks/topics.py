"""Tasks for topics."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from backbone.errors import ExitCode, StackError

from .command import command

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
    help={
        "action": "list, describe NAME, create NAME, delete NAME, plan, apply",
        "name": "the topic",
        "partitions": "for create (default 3)",
        "replicas": "for create (default: the cluster's)",
        "bootstrap": "HOST:PORT[,…] of another cluster",
        "json": "print JSON",
    },
)
def topics(
    c: Context,
    action: str,
    name: str = "",
    partitions: int = 3,
    replicas: int = -1,
    bootstrap: str | None = None,
    json: bool = False,
) -> ExitCode:
    """Show, create or delete topics; `plan` and `apply` compare with infra/05-messaging/kafka/topics.yml."""
    from backbone import clients, console
    from backbone.stack import topics as library
    from backbone.stack.settings import Settings

    from . import targets

    # A file that is not valid is told before anything is asked of a cluster.
    wanted = library.read(Settings().root / library.FILE) if action in {"plan", "apply"} else ()
    with clients.admin(targets.bootstrap(bootstrap)) as client:
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
            library.create(client, library.Topic(name, partitions, replicas))
            console.say(f"created {name}")
        elif action == "delete":
            library.delete(client, name)
            console.say(f"deleted {name}")
        else:
            changes = library.plan(wanted, library.describe(client))
            if action == "apply":
                library.apply(client, changes)
            _print(
                json,
                ("TOPIC", "STEP", "DETAIL"),
                [(x.topic.name, x.kind, x.detail) for x in changes],
                list(map(asdict, changes)),
            )
            console.say(f"{len(changes)} {'changed' if action == 'apply' else 'to change'}")
            return ExitCode.FINDINGS if action == "plan" and changes else ExitCode.OK
    return ExitCode.OK


def _describe(client: KafkaAdminClient, name: str, json: bool) -> None:
    from backbone import console
    from backbone.stack import health
    from backbone.stack import topics as library

    found = library.describe(client, [name])
    if name not in found:
        raise StackError(
            "no-such-topic",
            f"there is no topic {name}",
            hint="./invoke topics list",
            exit_code=ExitCode.USAGE,
        )
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
