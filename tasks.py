"""The tasks: `invoke --list`. Each lives in scripts/tasks, a module a theme."""

from invoke import Collection

from scripts.tasks import (
    archive,
    artifacts,
    bench,
    connectors,
    contracts,
    doctor,
    failover,
    lint,
    rabbitmq,
    records,
    smoke,
    stack,
    topics,
    verify,
)

THEMES = (
    stack,
    topics,
    smoke,
    contracts,
    records,
    connectors,
    archive,
    rabbitmq,
    lint,
    doctor,
    bench,
    failover,
    artifacts,
    verify,
)

ns = Collection()
for theme in THEMES:
    for task in Collection.from_module(theme).tasks.values():
        ns.add_task(task)
