"""Rules on loading (KC001 to KC004, KC008, KC009): is it YAML, does it keep to the schema, does Compose accept it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from backbone.lint.model import Finding, Related, Severity, respelt, rule
from backbone.source import compose_file, compose_schema
from backbone.source.compose_file import MappingNode, ScalarNode, entries
from backbone.source.span import Span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backbone.lint.project import Project
    from backbone.source.compose_file import ComposeFile, Node

_CULPRIT = re.compile(
    r"(?:undefined \w+|open|env file|service|detected:|exclusive|invalid \w+:|invalid duration)"
    r" [`'\"]?([^\s`'\":;,]+)"
)
"""The name after the words with which Compose introduces what it refuses."""
_NAMED_IN = {
    "network": ("networks",),
    "volume": ("volumes",),
    "secret": ("secrets",),
    "config": ("configs",),
    "service": ("depends_on", "links", "volumes_from", "extends"),
}
"""The keys of a service under which it names others, by what Compose calls them."""


@rule("KC001", "yaml-syntax", Severity.ERROR, needs_model=False)
def yaml_syntax(project: Project) -> Iterator[Finding]:
    """Flag a file that is no YAML, no UTF-8, or too large to be meant.

    Limits: 8 MiB, 100 levels of nesting, 100,000 values once aliases are expanded.

    Why:
        Compose cannot read the project at all, so nothing else can be said about it.

    Fails:
        services:
          cache:
            image: redis:7.4.1
           ports: []

    Passes:
        services:
          cache:
            image: redis:7.4.1
            ports: []

    Source:
        https://yaml.org/spec/1.2.2/
    """
    for file in project.sources.files:
        if problem := file.problem:
            yield Finding(
                at=file.span(problem.start, problem.end),
                message=f"{file.path.name} cannot be read: {problem.message}",
                help=problem.help,
                evidence=problem.message,
                label="here",
            )


@rule("KC002", "duplicate-key", Severity.ERROR, needs_model=False)
def duplicate_key(project: Project) -> Iterator[Finding]:
    """Flag a key that is written twice in one mapping.

    Why:
        Compose refuses it ("mapping key already defined"); most YAML libraries silently keep the last one.

    Fails:
        services:
          cache:
            image: redis:7.4.1
            image: redis:8.0.0

    Passes:
        services:
          cache:
            image: redis:7.4.1
    """
    for file in project.sources.files:
        for path, node in compose_file.walk(file.root):
            if isinstance(node, MappingNode):
                yield from _duplicates(file, node, path)


@rule("KC003", "schema", Severity.ERROR, needs_model=False)
def schema(project: Project) -> Iterator[Finding]:
    """Flag every place where a file departs from the Compose schema.

    All of them at once, each at its own line, with the closest known key for one that is misspelt. A value
    that holds `${…}` is judged by Compose alone, since only there it has a type.

    Why:
        Compose refuses such a file, but names one departure at a time and no line.

    Fails:
        services:
          cache:
            imgae: redis:7.4.1
            ports: 6379

    Passes:
        services:
          cache:
            image: redis:7.4.1
            ports: ["127.0.0.1:6379:6379"]

    Source:
        https://github.com/compose-spec/compose-spec/blob/main/schema/compose-spec.json
    """
    for file in project.sources.files:
        if file.root is not None and file.problem is None:
            yield from (_departure(file, each) for each in compose_schema.departures(file.root))


@rule("KC004", "compose-refuses", Severity.ERROR, needs_model=False)
def compose_refuses(project: Project) -> Iterator[Finding]:
    """Flag a project that `docker compose config` refuses, in its own words at the place they name.

    Silent when the reason is already known: a file that cannot be read, a duplicate key, a departure from the
    schema. A warning if Compose accepts the project once the variables that are set nowhere are set.

    Why:
        Nothing can be started, and every rule that needs the resolved model had to be left out.

    Fails:
        services:
          web:
            image: nginx:1.29.3
            depends_on: [api]

    Passes:
        services:
          web:
            image: nginx:1.29.3
            depends_on: [api]
          api:
            image: nginx:1.29.3
    """
    known = (yaml_syntax, duplicate_key, schema)
    if not project.refusal or any(True for check in known for _ in check(project)):
        return
    besides = f" (and {project.warnings} warning{'s' * (project.warnings > 1)})" if project.warnings else ""
    yield Finding(
        at=_place(project, project.refusal),
        message=f"Docker Compose refuses the project: {' '.join(project.refusal.split())}{besides}",
        evidence=re.sub(r"/\S*/", "", project.refusal),
        label="refused",
        help="docker compose config -q says the same",
        severity=Severity.WARNING if project.resolved is not None else None,
    )


@rule("KC008", "remote-file", Severity.ERROR, needs_model=False)
def remote_file(project: Project) -> Iterator[Finding]:
    """Flag an `include`, `extends` or `env_file` that names something on another machine.

    The linter fetches nothing, so Compose is not asked either and the rules that need its model are left out.

    Why:
        What the project is depends on what somebody else's server or registry answers today; whoever can change
        that answer starts containers here, with the mounts and privileges they like.

    Fails:
        include:
          - oci://registry.example.com/team/kafka:1
        services:
          web:
            image: nginx:1.29.3

    Passes:
        services:
          web:
            image: nginx:1.29.3

    Source:
        Compose specification, include: "path … may be a remote resource"
    """
    for reference in project.sources.references:
        if reference.path is None:
            yield Finding(
                at=reference.file.span_of(reference.node),
                message=f"{reference.use} names a file on another machine, which is not fetched",
                service=reference.service,
                evidence=f"{reference.use}:{reference.node.value}",
                label="not fetched",
                help="lint a copy of it that is kept in the project",
            )


@rule("KC009", "not-a-file", Severity.ERROR, needs_model=False)
def not_a_file(project: Project) -> Iterator[Finding]:
    """Flag a FIFO, device, socket or folder, or more than 8 MiB, where Compose reads a file.

    Looked at: `.env`, `include`, `extends`, `env_file`, `label_file`, and .env.example, which only we read. Compose
    is not asked when it would open one.

    Why:
        Compose opens whatever is there: a FIFO makes it wait for ever, a device feeds it until memory ends.

    Fails:
        services:
          web:
            image: nginx:1.29.3
            env_file: ./settings
        --- settings/web.env
        A=1

    Passes:
        services:
          web:
            image: nginx:1.29.3
            env_file: ./settings/web.env
        --- settings/web.env
        A=1
    """
    for file in (project.env, project.example):
        if file is not None and file.problem:
            yield Finding(
                at=Span(file.path, 1, 1, 1, 1, 0, 0),
                message=f"{file.path.name} cannot be read: {file.problem}",
                evidence=file.path.name,
                label=file.problem,
                severity=Severity.WARNING if file is project.example else None,
            )
    for reference in project.sources.references:
        if reference.path is not None and (problem := reference.problem):
            yield Finding(
                at=reference.file.span_of(reference.node),
                message=f"{reference.use} names {reference.path.name}, which cannot be read: {problem}",
                service=reference.service,
                evidence=f"{reference.use}:{reference.node.value}",
                label=problem,
            )


def _duplicates(file: ComposeFile, node: MappingNode, path: tuple[str | int, ...]) -> Iterator[Finding]:
    first: dict[str, Node] = {}
    for key, _ in node.value:
        if not isinstance(key, ScalarNode):
            continue
        if (before := first.setdefault(key.value, key)) is not key:
            where = ".".join(str(step) for step in path) or "the top level"
            yield Finding(
                at=file.span_of(key),
                message=f"{key.value!r} is written twice in {where}",
                service=str(path[1]) if path[:1] == ("services",) and len(path) > 1 else "",
                help="keep one of them",
                evidence=f"{where}.{key.value}",
                label="again here",
                related=(Related(file.span_of(before), "first here"),),
            )


def _departure(file: ComposeFile, departure: compose_schema.Departure) -> Finding:
    path, at = departure.path, _span(file, departure)
    where = ".".join(str(step) for step in path)
    return Finding(
        at=at,
        message=departure.message,
        service=str(path[1]) if path[:1] == ("services",) and len(path) > 1 else "",
        help=departure.help,
        evidence=f"{where} {departure.key}".strip(),
        label=departure.label,
        edits=respelt(at, file.text, departure.key, departure.meant) if _is_free(file, departure) else (),
    )


def _is_free(file: ComposeFile, departure: compose_schema.Departure) -> bool:
    """Say whether the key that was meant is not there as well."""
    node = file.root
    for step in departure.path:
        if isinstance(node, MappingNode):
            node = entries(node)[str(step)][1] if str(step) in entries(node) else None
        elif isinstance(node, compose_file.SequenceNode):
            node = node.value[int(step)]
    return isinstance(node, MappingNode) and bool(departure.meant) and departure.meant not in entries(node)


def _span(file: ComposeFile, departure: compose_schema.Departure) -> Span:
    """Return a departure's place: the unknown key, else the scalar, else the key that holds the value."""
    holder = node = file.root
    for step in (*departure.path, *((departure.key,) if departure.key else ())):
        if isinstance(node, MappingNode) and str(step) in (known := entries(node)):
            holder, node = known[str(step)]
        elif isinstance(node, compose_file.SequenceNode) and isinstance(step, int) and step < len(node.value):
            holder = node = node.value[step]
    if not departure.key and isinstance(node, ScalarNode) and node.value:
        holder = node
    span = file.span_of(holder) if holder is not None else file.span(0, 0)
    return span if span.line == span.end_line else file.span(span.start, span.start)


def _place(project: Project, refusal: str) -> Span:
    """Return what Compose's words are about: a path, else a name in the service they speak of, else that service."""
    if project.env and project.env.fault:
        return project.env.fault.span
    words = re.sub(r"\b(services|networks|volumes|secrets|configs)\[([^\]]+)\]", r"\1.\2", refusal)
    words = re.sub(r"\.?\[(\d+)\]", r".\1", words)
    for path in re.findall(r"\b((?:services|networks|volumes|secrets|configs)(?:\.[\w-]+)+)", words):
        section, name, *steps = path.split(".")
        return project.sources.where(section, name, *(int(step) if step.isdigit() else step for step in steps))
    named = [name for name in re.findall(r"[\w.-]+", words) if project.sources.find("services", name)]
    definitions = [each for name in named[:1] for each in project.sources.definitions(name)]
    places: list[tuple[ComposeFile, Node | None]] = [(each.document.file, each.node) for each in definitions]
    for culprit in reversed(_CULPRIT.findall(words)):
        for file, body in places or [(file, file.root) for file in project.sources.files]:
            for part in _parts(body, words):
                if (node := _mention(part, culprit)) is not None:
                    return file.span_of(node)
    return project.sources.key("services", named[0]) if named else project.sources.where()


def _parts(body: Node | None, words: str) -> Iterator[Node | None]:
    """Yield where a service names things of the kind that is undefined, then the whole of it."""
    kind = re.search(r"undefined (\w+)", words)
    for key in _NAMED_IN.get(kind[1], ()) if kind else ():
        if key in (known := entries(body)):
            yield known[key][1]
    yield body


def _mention(body: Node | None, culprit: str) -> Node | None:
    """Return the first key or scalar below a node that is a name, a mount of it, or a path that ends in it."""
    name = culprit.rpartition("/")[2]
    for _, node in compose_file.walk(body):
        keys = [key for key, _ in node.value] if isinstance(node, MappingNode) else []
        for each in (node, *keys):
            if isinstance(each, ScalarNode) and each.value.partition(":")[0].rpartition("/")[2] == name:
                return each
    return None
