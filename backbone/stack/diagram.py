"""The stack as a picture and tables, made from the resolved Compose model: docs/architecture.md holds the result."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import yaml

from backbone.addresses import listeners
from backbone.errors import ExitCode, StackError
from backbone.stack import compose

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from backbone.stack.compose import Model, Service
    from backbone.stack.settings import Settings

_BEGIN, _END = "<!-- made by `nox -s pages`: begin -->", "<!-- end -->"
_ARROWS = {"service_healthy": "-->", "service_completed_successfully": "-.->", "service_started": "-->"}


def with_defaults(settings: Settings) -> Model:
    """Return the model of all profiles with the values of .env.example, whatever this checkout is set to."""
    done = compose.config(
        settings.compose_file, profiles=["*"], env_file=settings.env_example, environ={"HOME": str(settings.root)}
    )
    if done.returncode:
        raise StackError("compose-refused", "Docker Compose refuses the project", context=done.stderr)
    return compose.parse(yaml.safe_load(done.stdout))


def render(text: str, model: Model) -> str:
    """Return a page's text with the picture and tables of the stack made again; StackError("no-markers")."""
    return between_markers(text, _part(model))


def between_markers(text: str, lines: Iterable[str]) -> str:
    """Return a page's text with the part between the two markers made again; StackError("no-markers") without them."""
    pattern = re.compile(f"{re.escape(_BEGIN)}.*?{re.escape(_END)}", re.DOTALL)
    if not pattern.search(text):
        raise StackError("no-markers", f"the page has no {_BEGIN} … {_END}", exit_code=ExitCode.USAGE)
    made = "\n".join([_BEGIN, *lines, _END])
    return pattern.sub(lambda _: made, text)


def _part(model: Model) -> Iterator[str]:
    yield from ("", "```mermaid", *mermaid(model), "```", "")
    yield from (
        "| Service | Profile | Image | Published on this machine | Memory | Without Docker |",
        "|---|---|---|---|---|---|",
    )
    for service in model.services.values():
        ports = ", ".join(str(port.published) for port in service.ports)
        memory = f"{service.mem_limit >> 20} MiB" if service.mem_limit else ""
        profiles = ", ".join(service.profiles)
        yield f"| {service.name} | {profiles} | `{service.image}` | {ports} | {memory} | {_embedded(service)} |"
    yield from ("", "| Broker | Listener | Listens on | Advertised to clients as |", "|---|---|---|---|")
    for service in model.services.values():
        advertised = listeners(service.environment.get("KAFKA_ADVERTISED_LISTENERS", ""))
        for name, bound in listeners(service.environment.get("KAFKA_LISTENERS", "")).items():
            where = advertised[name].address if name in advertised else "nobody"
            yield f"| {service.name} | {name} | {bound.address} | {where} |"
    yield ""


def mermaid(model: Model) -> Iterator[str]:
    """Yield a flow chart: a box for each profile, solid arrows for "waits until healthy", dotted for "until done"."""
    yield "flowchart LR"
    yield "  clients([clients on this machine])"
    for profile in model.profiles:
        members = [service for service in model.services.values() if profile in service.profiles]
        if members:
            yield f"  subgraph {profile}"
            yield from (f'    {service.name}["{_label(service)}"]' for service in members)
            yield "  end"
    for service in model.services.values():
        for other, condition in sorted(service.depends_on.items()):
            yield f"  {service.name} {_ARROWS.get(condition, '-->')} {other}"
        if service.ports:
            yield f"  clients --- {service.name}"


def _label(service: Service) -> str:
    ports = ", ".join(f":{port.published}" for port in service.ports)
    return f"{service.name}<br/>{ports}" if ports else service.name


def _embedded(service: Service) -> str:
    if runtime := service.embedded.get("runtime"):
        return f"process ({runtime})"
    if covered := service.embedded.get("covered_by"):
        return f"part of {covered}"
    return "docker only"
