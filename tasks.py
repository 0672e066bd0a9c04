"""The tasks: `invoke --list`. Each lives in scripts/cli, a module a theme."""

from invoke import Collection

from scripts.cli import (
    archive,
    artifacts,
    bench,
    checks,
    connectors,
    contracts,
    lint,
    properties,
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
    lint,
    properties,
    trace,
    startup,
    bench,
    artifacts,
    checks,
)

ns = Collection()
for theme in THEMES:
    for task in Collection.from_module(theme).tasks.values():
        ns.add_task(task)
