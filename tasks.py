"""The tasks: `invoke --list`. Each lives in scripts/cli, a module a theme."""

from invoke import Collection

from scripts.cli import (
    architecture,
    archive,
    checks,
    connectors,
    contracts,
    doctor,
    rabbitmq,
    records,
    smoke,
    stack,
    startup,
    topics,
)

ns = Collection()
for theme in (
    stack,
    smoke,
    topics,
    contracts,
    connectors,
    records,
    archive,
    doctor,
    startup,
    checks,
    architecture,
    rabbitmq,
):
    for task in Collection.from_module(theme).tasks.values():
        ns.add_task(task)
