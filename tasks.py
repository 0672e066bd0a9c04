"""The tasks: `invoke --list`. Each lives in scripts/cli, a module a theme."""

from invoke import Collection

from scripts.cli import connectors, contracts, records, stack, topics

ns = Collection()
for theme in (stack, topics, contracts, connectors, records):
    for task in Collection.from_module(theme).tasks.values():
        ns.add_task(task)
