"""Gather the evidence: every part by itself, so that what cannot be seen hides nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backbone.doctor.evidence import Evidence
from backbone.doctor.gather import configuration, data, kafka, machine, services
from backbone.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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
            "meta": lambda: data.meta(stack.model),
            "services": lambda: services.running(stack),
            "unreachable": lambda: kafka.unreachable(stack),
            "cluster": lambda: kafka.health(stack),
            "topics": lambda: kafka.topics(stack),
            "compatibility": lambda: kafka.compatibility(stack),
            "connectors": lambda: kafka.connectors(stack),
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


def _look(probes: Mapping[str, Callable[[], Any]]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what the probes saw, and why the others could not."""
    seen, unseen = {}, {}
    for name, probe in probes.items():
        try:
            seen[name] = probe()
        except StackError as error:
            unseen[name] = error.message
    return seen, unseen
