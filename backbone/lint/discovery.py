"""Which files make a Compose project, and which projects lie below a folder: as Compose picks them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from backbone.errors import ExitCode, StackError
from backbone.source import compose_file, env_file, project_files, reading
from backbone.source.compose_file import entries
from backbone.source.env_file import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
"""What Compose looks for in a folder, in its order."""

OVERRIDES = tuple(f"{stem}.override.{suffix}" for stem in ("compose", "docker-compose") for suffix in ("yml", "yaml"))
"""What Compose merges over that, the first there is, whatever the main file is called."""

STDIN = "-"
MAX_PROJECTS = 1_000

_LIKE_A_PROJECT = re.compile(r"(?:[\w.-]+[-_.])?(?:docker-)?compose(?:[-_.][\w.-]+)?\.ya?ml", re.IGNORECASE)
_NAMES_OF = {"depends_on": "services", "links": "services", "networks": "networks", "volumes": "volumes"}
"""Under which keys a service names others, and in which section those are."""

_NOT_OURS = frozenset({"node_modules", "vendor", "site-packages", "__pycache__", "venv", "target", "dist"})


def given(names: Sequence[str]) -> list[Path]:
    """Return the files of `--file`, in order; `-` is standard input, in the folder where the user stands.

    Raises StackError: "remote-file" or "no-such-path", exit code USAGE.
    """
    files = []
    for name in names:
        if project_files.is_remote(name):
            raise StackError(
                "remote-file",
                "a file on another machine is not fetched",
                hint="give a copy of it",
                exit_code=ExitCode.USAGE,
            )
        path = Path.cwd() / STDIN if name == STDIN else Path(name).resolve()
        if name != STDIN and not path.is_file():
            raise StackError(
                "no-such-path", f"cannot read {name}", reading.why_unreadable(path), exit_code=ExitCode.USAGE
            )
        files.append(path)
    return files


def has_project(folder: Path, environ: Mapping[str, str]) -> bool:
    """Say whether Compose would find a project in a folder itself."""
    env = env_file.load(folder / ".env", environ)
    named = Scope(folder, environ, (env,)).lookup("COMPOSE_FILE")
    return bool(named) or any((folder / name).exists() for name in NAMES)


def nearest(start: Path, environ: Mapping[str, str]) -> Path:
    """Return the folder whose project Compose would take when called in `start`: this one, else the next above.

    Raises StackError("nothing-to-lint") if no folder up to the root has a Compose file.
    """
    for folder in (start, *start.parents):
        if has_project(folder, environ):
            return folder
    raise StackError(
        "nothing-to-lint",
        f"neither {start} nor a folder above it has a Compose file",
        context="looked for " + ", ".join(NAMES),
        hint="name the folder that has one: --project FOLDER",
        exit_code=ExitCode.NOTHING,
    )


def locate(place: Path, environ: Mapping[str, str]) -> list[Path]:
    """Return the project's files, the main one first, then its overrides, as Compose would pick them.

    Raises StackError: "no-such-path" (exit code USAGE), "nothing-to-lint" (exit code NOTHING).
    """
    path = place.resolve()
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise StackError("no-such-path", f"there is no file or folder {place}", exit_code=ExitCode.USAGE)
    env = env_file.load(path / ".env", environ)
    scope = Scope(path, environ, (env,))
    if named := scope.lookup("COMPOSE_FILE"):
        separator = scope.lookup("COMPOSE_PATH_SEPARATOR") or os.pathsep
        files = [(path / name).resolve() for name in named.split(separator) if name]
        if missing := [file for file in files if not file.is_file()]:
            raise StackError(
                "no-such-path",
                f"COMPOSE_FILE names {len(missing)} of {len(files)} files that cannot be read",
                exit_code=ExitCode.USAGE,
            )
        return files
    if main := next((path / name for name in NAMES if (path / name).is_file()), None):
        return [main, *[path / name for name in OVERRIDES if (path / name).is_file()][:1]]
    odd = [f"{name}: {reading.why_unreadable(path / name)}" for name in NAMES if (path / name).exists()]
    raise StackError(
        "nothing-to-lint",
        f"{place} has no Compose file" + (f"; {odd[0]}" if odd else ""),
        context="looked for " + ", ".join(NAMES),
        exit_code=ExitCode.NOTHING,
    )


def below(folder: Path) -> list[Path]:
    """Return every project below a folder: a folder with a main Compose file, or a file named like one elsewhere.

    Passed over: folders of others (hidden ones, node_modules, vendor, virtual environments), what a project found here
    includes or extends, and what is no project by itself (an overlay: some service has neither image nor build, or
    needs a service, network or volume that only a file beside it has).
    """
    found: list[Path] = []
    for path, folders, names in os.walk(folder.resolve()):
        here = Path(path)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and name not in _NOT_OURS and not (here / name / "pyvenv.cfg").exists()
        )
        main = next((name for name in NAMES if name in names and (here / name).is_file()), "")
        found += [here] if main else []
        found += [
            here / name
            for name in sorted(names)
            if name not in (*NAMES, *OVERRIDES) and _LIKE_A_PROJECT.fullmatch(name) and (here / name).is_file()
        ]
    used = {file for project in found for file in _used(project)}
    return [
        project
        for project in found[:MAX_PROJECTS]
        if _main(project) not in used and (project.is_dir() or (_stands_alone(project) and not _is_overlay(project)))
    ]


def _main(project: Path) -> Path:
    return next((project / name for name in NAMES if (project / name).is_file()), project)


def _documents(project: Path) -> Iterator[project_files.Document]:
    """Yield the main file of a project alone, with no variable set."""
    main = _main(project)
    for file in compose_file.load(main):
        yield project_files.Document(file, Scope(main.parent, {}))


def _used(project: Path) -> Iterator[Path]:
    """Yield what a project's main file includes or extends, but for itself."""
    for document in _documents(project):
        for reference in project_files.references(document):
            if reference.path is not None and reference.path != document.file.path:
                yield reference.path


def _stands_alone(file: Path) -> bool:
    for document in _documents(file):
        services = entries(document.file.root).get("services")
        bodies = [set(entries(body)) for _, body in entries(services[1] if services else None).values()]
        if bodies and all(body & {"image", "build", "extends"} for body in bodies):
            return True
    return False


def _is_overlay(file: Path) -> bool:
    """Say whether a file lacks what another file of its folder has: Compose takes the two together."""
    needed, defined = _names(file)
    lacking = needed - defined
    beside = [path for path in file.parent.iterdir() if path != file and _LIKE_A_PROJECT.fullmatch(path.name)]
    return bool(lacking) and any(lacking & _names(path)[1] for path in beside if path.is_file())


def _names(file: Path) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """Return what the services of a file need, and what the file defines, as (section, name)."""
    needed: set[tuple[str, str]] = set()
    defined: set[tuple[str, str]] = {("networks", "default")}
    for document in compose_file.load(file):
        top = entries(document.root)
        if "include" in top:
            return set(), set()  # what it lacks may come from there
        for section in ("services", "networks", "volumes"):
            defined |= {(section, name) for name in entries(top[section][1] if section in top else None)}
        for _, body in entries(top["services"][1] if "services" in top else None).values():
            fields = entries(body)
            for key, section in _NAMES_OF.items():
                if key in fields:
                    needed |= {(section, name.partition(":")[0]) for name in _words_of(fields[key][1])}
    return {(section, name) for section, name in needed if re.fullmatch(r"[\w-]+", name)}, defined


def _words_of(node: compose_file.Node) -> list[str]:
    """Return the words of a list, the keys of a mapping, or the one word there is."""
    if isinstance(node, compose_file.MappingNode):
        return list(entries(node))
    words = node.value if isinstance(node, compose_file.SequenceNode) else [node]
    return [str(word.value) for word in words if isinstance(word, compose_file.ScalarNode)]
