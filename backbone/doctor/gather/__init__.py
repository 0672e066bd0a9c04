"""Gather the evidence: every part by itself, so that what cannot be seen hides nothing else."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from backbone.doctor.evidence import Evidence
from backbone.doctor.gather import certificates, configuration, data, kafka, machine, services, versions
from backbone.errors import ExitCode, StackError
from backbone.stack.compose import Model

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from backbone.stack.engine import Stack


def gather(stack: Stack) -> Evidence:
    """Look at everything there is to see of a stack, on whichever engine it runs."""
    settings = stack.settings
    seen, unseen = _look(
        {
            "engine": lambda: machine.engine(stack),
            "compose_version": machine.compose_version,
            "ports": lambda: machine.ports(stack),
            "limits": machine.limits,
            "folders": lambda: data.folders(stack),
            "cache": lambda: data.folder(settings.cache_dir),
            "meta": lambda: data.meta(stack.model),
            "services": lambda: services.running(stack),
            "strays": lambda: services.strays(stack),
            "unreachable": lambda: kafka.unreachable(stack),
            "cluster": lambda: kafka.health(stack.bootstrap),
            "settings": lambda: kafka.settings(stack.bootstrap),
            "topics": lambda: kafka.topics(stack),
            "upgrade": lambda: versions.upgrade(stack),
            "newer": lambda: versions.newer(stack),
            "compatibility": lambda: kafka.compatibility(stack),
            "levels": lambda: kafka.levels(stack),
            "damaged": lambda: data.damaged(settings),
            "leftovers": lambda: data.left(settings),
            "connectors": lambda: kafka.connectors(stack),
            "certificates": lambda: certificates.named(stack.model, time.time()),
            "letters": lambda: kafka.letters(stack),
        }
    )
    return Evidence(
        model=stack.model,
        engine_name=stack.engine.name,
        env=configuration.variables(settings.env_file, settings.environ),
        env_example=configuration.variables(settings.env_example, {}),
        shell=settings.environ,
        lock=configuration.lock(settings, stack.model),
        secret_modes=configuration.secret_modes(stack.model),
        unseen=unseen,
        **seen,
    )


def elsewhere(bootstrap: Sequence[str]) -> Evidence:
    """Ask a cluster of somebody else's about itself; nothing is changed on it, and nothing else is looked at.

    Raises StackError("no-broker") if none of the addresses answers.
    """
    seen, unseen = _look(
        {
            "cluster": lambda: kafka.health(bootstrap),
            "settings": lambda: kafka.settings(bootstrap),
            "certificates": lambda: certificates.shown(bootstrap, time.time()),
        }
    )
    if not {"cluster", "settings"} & seen.keys():
        raise StackError(
            "no-broker",
            f"no broker answers at {', '.join(bootstrap)}",
            context="\n".join(sorted(set(unseen.values()))),
            exit_code=ExitCode.ENVIRONMENT,
        )
    return Evidence(model=Model("", {}), engine_name="", env={}, env_example={}, unseen=unseen, **seen)


def _look(probes: Mapping[str, Callable[[], Any]]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what the probes saw, and why the others could not."""
    seen, unseen = {}, {}
    for name, probe in probes.items():
        try:
            seen[name] = probe()
        except StackError as error:
            unseen[name] = error.message
    return seen, unseen
