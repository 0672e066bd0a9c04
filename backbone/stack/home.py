"""A home: the folder that holds a stack's plain files (Compose files, `.env`, topics, contracts, connectors).

The checkout of this project is one; `backbone init DIR` makes another.
"""

from __future__ import annotations

import difflib
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backbone import resources
from backbone.errors import ExitCode, StackError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_MARKS = (Path("docker-compose.yml"), Path("infra", "artifacts.lock.json"))
"""What only a home has side by side: any project can have the first."""

_FILES = (".env.example", "docker-compose.yml", "policy.toml", "infra", "schemas/contracts")
"""The plain files; what else `schemas` has is the library's own."""

_GITIGNORE = Path(".gitignore")
_PRIVATE = (".env", ".stack/", "data/", "secrets/", "results/")
"""What a stack makes in its home and git must not take: settings, state, data, passwords, reports."""


@dataclass(frozen=True, slots=True)
class Change:
    """A file of a home that this version has otherwise. path: below the home; before: None if it is missing."""

    path: Path
    before: bytes | None
    after: bytes
    mode: int

    @property
    def replaces(self) -> bool:
        """Tell whether writing it would lose what somebody wrote; .gitignore only grows."""
        return self.before is not None and self.path != _GITIGNORE

    def diff(self) -> str:
        """Return the change as a unified diff."""
        before, after = (_text(each).splitlines(keepends=True) for each in (self.before, self.after))
        old = "/dev/null" if self.before is None else f"a/{self.path.as_posix()}"
        lines = difflib.unified_diff(before, after, old, f"b/{self.path.as_posix()}")
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def here() -> Path:
    """Return the home of whoever runs this process: `find` from the working directory."""
    try:
        folder = Path.cwd()
    except FileNotFoundError as error:
        raise StackError(
            "no-folder", "the folder you stand in is gone", hint="cd", exit_code=ExitCode.ENVIRONMENT
        ) from error
    return find(folder, os.environ)


def find(start: Path, environ: Mapping[str, str]) -> Path:
    """Return BACKBONE_HOME, else the nearest home from `start` upwards, else the checkout this library runs from.

    Raises StackError("no-home") if there is none.
    """
    if given := environ.get("BACKBONE_HOME"):
        folder = (start / given).resolve()
        if is_home(folder):
            return folder
        raise _missing(f"BACKBONE_HOME is {given}, which holds no stack")
    folder = start.resolve()
    for each in (folder, *folder.parents):
        if is_home(each):
            return each
    if own := resources.checkout():
        return own
    raise _missing(f"neither {folder} nor a folder above it holds a stack")


def is_home(folder: Path) -> bool:
    """Tell whether a folder holds a stack's plain files."""
    return all((folder / mark).is_file() for mark in _MARKS)


def _missing(message: str) -> StackError:
    return StackError(
        "no-home", message, hint="write the stack's plain files here\n./invoke init .", exit_code=ExitCode.NOTHING
    )


def changes(folder: Path) -> list[Change]:
    """Return what would have to be written to make a folder a home of this version, in the order of the paths.

    Raises StackError("no-place") if something in the folder stands in the way, such as a folder called `.env.example`.
    """
    source = resources.files()
    found = _copies(source, folder)
    before = _read(folder / _GITIGNORE)
    known = {line.strip().strip("/").partition("/")[0] for line in _text(before).splitlines()}
    if missing := [f"/{name}" for name in _PRIVATE if name.strip("/") not in known]:
        ending = b"\n" if before and not before.endswith(b"\n") else b""
        added = "".join(f"{line}\n" for line in missing).encode()
        found.append(change(folder, _GITIGNORE, (before or b"") + ending + added, 0o644))
    return sorted((each for each in found if each.before != each.after), key=lambda each: each.path)


def copies(source: Path, folder: Path) -> list[Change]:
    """Return what would have to be written to give a folder the plain files of another home, as they are there now."""
    return [each for each in _copies(source, folder) if each.before != each.after]


def _copies(source: Path, folder: Path) -> list[Change]:
    paths = _paths(source)
    return [change(folder, path, (source / path).read_bytes(), (source / path).stat().st_mode) for path in paths]


def write(folder: Path, wanted: Sequence[Change], *, overwrite: bool = False, task: str = "") -> None:
    """Write changes into a folder, which is made if it is missing. task: what the user typed, for the hint.

    Raises StackError("would-overwrite") before anything is written if a file is there with another text, unless
    `overwrite`; "no-place" if the disk refuses one.
    """
    again = task or f"init {shlex.quote(str(folder))}"
    if kept := [each.path.as_posix() for each in wanted if each.replaces and not overwrite]:
        raise StackError(
            "would-overwrite",
            f"{len(kept)} files in {folder} have another text; nothing was written",
            context="\n".join(kept),
            hint=f"see how, or take the new ones\n./invoke {again} --diff\n./invoke {again} --overwrite",
            exit_code=ExitCode.USAGE,
        )
    for each in wanted:
        path = folder / each.path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(path.name + ".partial")
            partial.write_bytes(each.after)
            partial.chmod(0o755 if each.mode & 0o100 else 0o644)
            partial.replace(path)
        except OSError as error:
            raise _no_place(path, error) from error


def _paths(source: Path) -> Iterator[Path]:
    """Yield the plain files of a home, or of this version, relative to it."""
    for path in map(source.joinpath, _FILES):
        files = path.rglob("*") if path.is_dir() else [path]
        yield from (each.relative_to(source) for each in files if each.is_file())


def _text(body: bytes | None) -> str:
    return (body or b"").decode("utf-8", "replace")


def change(folder: Path, path: Path, after: bytes, mode: int = 0o644) -> Change:
    """Return the change that gives a file below a folder another content; it may be none."""
    return Change(path, _read(folder / path), after, mode)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _no_place(path, error) from error


def _no_place(path: Path, error: OSError) -> StackError:
    return StackError(
        "no-place", f"cannot read or write {path}", context=error.strerror, exit_code=ExitCode.ENVIRONMENT
    )
