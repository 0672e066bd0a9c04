"""Every task that a user runs, in the order of `--list`: a module a theme."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke import Collection

from . import (
    access,
    archive,
    artifacts,
    bench,
    capacity,
    connectors,
    console,
    contracts,
    dead_letters,
    doctor,
    failover,
    groups,
    home,
    lint,
    psql,
    rabbitmq,
    records,
    results,
    smoke,
    snapshot,
    stack,
    stacks,
    strimzi,
    topics,
    upgrade,
)

if TYPE_CHECKING:
    from types import ModuleType

THEMES = (
    home,
    stack,
    stacks,
    snapshot,
    upgrade,
    topics,
    groups,
    access,
    console,
    smoke,
    contracts,
    records,
    connectors,
    dead_letters,
    archive,
    psql,
    rabbitmq,
    lint,
    doctor,
    bench,
    failover,
    results,
    capacity,
    strimzi,
    artifacts,
)


def collect(*more: ModuleType) -> Collection:
    """Return the collection of all tasks, with those of more modules."""
    found = Collection()
    for theme in (*THEMES, *more):
        for task in Collection.from_module(theme).tasks.values():
            found.add_task(task)
    return found
