"""The tasks: `invoke --list`. Each lives in scripts/tasks, a module a theme."""

from invoke import Collection

from scripts.tasks import (
    architecture,
    archive,
    artifacts,
    bench,
    checks,
    connectors,
    contracts,
    doctor,
    failover,
    lint,
    properties,
    rabbitmq,
    records,
    smoke,
    stack,
    startup,
    topics,
    trace,
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
    properties,
    trace,
    doctor,
    bench,
    failover,
    startup,
    artifacts,
    checks,
    architecture,
)

ns = Collection()
for theme in THEMES:
    for task in Collection.from_module(theme).tasks.values():
        ns.add_task(task)
