"""The services as their engine sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbone.doctor.finding import Finding, Register

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backbone.doctor.evidence import Evidence

register = Register()


@register.check("D035", "No service has ended on its own", "services")
def ended(evidence: Evidence) -> Iterator[Finding]:
    """With its exit code, and whether memory was why."""
    for service in evidence.services or ():
        if service.out_of_memory:
            yield Finding(
                "error",
                f"{service.name} was killed for memory (exit code {service.exit_code})",
                "it used more than its limit",
                f"raise the *_MEM_LIMIT of {service.name} in .env\n./invoke up",
            )
        elif service.phase == "exited":
            yield Finding(
                "error",
                f"{service.name} ended"
                + (f" with exit code {service.exit_code}" if service.exit_code is not None else ""),
                service.first_error or "it said nothing",
                f"./invoke logs {service.name}\n./invoke up",
            )


@register.check("D036", "No service restarts again and again", "services")
def restarting(evidence: Evidence) -> Iterator[Finding]:
    """A restart policy hides a service that cannot live."""
    for service in evidence.services or ():
        if service.restarts:
            yield Finding(
                "warning",
                f"{service.name} was restarted {service.restarts} times",
                service.first_error or "it ended, and its restart policy brought it back",
                f"./invoke logs {service.name}",
            )


@register.check("D037", "Every service is healthy", "services")
def unhealthy(evidence: Evidence) -> Iterator[Finding]:
    """With what its health check said last."""
    for service in evidence.services or ():
        if service.phase == "paused":
            yield Finding(
                "error",
                f"{service.name} is frozen: its process was stopped by a signal",
                "somebody sent it SIGSTOP, or a task that freezes services was killed",
                "it goes on with the next\n./invoke up",
            )
        elif service.health == "unhealthy":
            yield Finding(
                "error",
                f"{service.name} is unhealthy: {service.health_output or 'its health check said nothing'}",
                service.first_error or "it runs, but does not answer its own health check",
                f"./invoke logs {service.name}\n./invoke restart {service.name}",
            )


@register.check("D038", "Containers run the image of the Compose files", "services")
def image_drift(evidence: Evidence) -> Iterator[Finding]:
    """A changed version takes effect with the next `up` only."""
    for service in evidence.services or ():
        wanted = evidence.model.services[service.name].image if service.name in evidence.model.services else ""
        if service.image and wanted and service.image != wanted:
            yield Finding(
                "warning",
                f"{service.name} runs {service.image}, the Compose files say {wanted}",
                "the version was changed after the container had been made",
                "replace it; the data stays\n./invoke up",
            )


@register.check("D039", "Logs have no errors", "services")
def log_errors(evidence: Evidence) -> Iterator[Finding]:
    """The first one is usually the cause of the rest."""
    for service in evidence.services or ():
        if service.first_error and service.phase in ("running", "starting"):
            yield Finding(
                "warning",
                f"{service.name}: {service.first_error}",
                "the first error of its log; later ones often follow from it",
                f"./invoke logs {service.name} --tail 1000",
            )


@register.check("D046", "Services run with the configuration of the files", "services")
def outdated(evidence: Evidence) -> Iterator[Finding]:
    """A changed port or setting takes effect when its service is restarted for it."""
    for service in evidence.services or ():
        if service.outdated:
            yield Finding(
                "warning",
                f"{service.name} runs with other values of {', '.join(service.outdated)}",
                "the files or .env were changed after it had been started",
                f"./invoke restart {service.name} --renew",
            )


@register.check("D047", "The data of what runs is where it was", "services")
def data_gone(evidence: Evidence) -> Iterator[Finding]:
    """A service whose folder is moved goes on writing to files that nobody will find."""
    for service in evidence.services or ():
        if service.data_gone:
            yield Finding(
                "error",
                f"{service.name}: {service.health_output}",
                "the folder was moved or removed while the service ran",
                f"./invoke restart {service.name}",
            )


@register.check("D057", "Records name processes of this home", "strays")
def strays(evidence: Evidence) -> Iterator[Finding]:
    """A copied home brings the records of its original, and a system gives numbers of processes anew."""
    for stray in evidence.strays or ():
        if stray.home:
            yield Finding(
                "error",
                f"the record of {stray.service} names process {stray.pid}, which serves {stray.home}",
                "this home was copied while that one ran: both have the same ports and cluster id",
                "move the ports of this one, or stop the other\n./invoke ports --shift 1000\n./invoke up",
            )
        else:
            yield Finding(
                "warning",
                f"the record of {stray.service} names process {stray.pid}, which is now {stray.program}",
                "the service has ended, and the system gave its number to another program, which no task touches",
                "./invoke up",
            )


@register.check("D048", "Programs are what they were", "damaged")
def damaged_programs(evidence: Evidence) -> Iterator[Finding]:
    """Unpacked archives, compiled plugins and the packages with Java and PostgreSQL."""
    for what in evidence.damaged or ():
        yield Finding(
            "error",
            f"{what}: a file is missing, altered or cut short",
            "a full disk, a power cut, or something that cleans up caches",
            "./invoke up",
        )


@register.check("D049", "No killed task has left anything", "leftovers")
def left_behind(evidence: Evidence) -> Iterator[Finding]:
    """Topics, groups and rows that a task makes for a while and takes away again."""
    for what in evidence.leftovers or ():
        yield Finding(
            "warning",
            f"{what} is left",
            "the task that made it was killed",
            "./invoke archive" if what.startswith("rows") else "./invoke up",
        )
