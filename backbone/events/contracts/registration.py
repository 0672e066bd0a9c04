"""What git says and what the registry has: the changes between them, and making them."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from backbone.errors import ExitCode, StackError
from backbone.events.contracts import history

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from backbone.events.contracts.model import Contract, Contracts, Level
    from backbone.events.contracts.registry import Registered, Registry

Kind = Literal["set-level", "register", "edited", "by-hand", "unknown-version", "unknown-subject"]
_CONFLICTS: tuple[Kind, ...] = ("edited", "by-hand", "unknown-version")


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. The first two kinds are what `apply` does; the others only a person can settle, by `remedy`."""

    kind: Kind
    subject: str
    detail: str
    level: Level | None = None
    text: str = ""
    remedy: str = ""

    @property
    def appliable(self) -> bool:
        """True if `apply` makes it."""
        return self.kind in ("set-level", "register")

    @property
    def conflict(self) -> bool:
        """True if git contradicts what was published."""
        return self.kind in _CONFLICTS


@dataclass(frozen=True, slots=True)
class Outcome:
    """What `apply` did, and why it left out the rest: each failure is about one subject and keeps back no other."""

    done: tuple[Change, ...]
    failures: tuple[StackError, ...] = ()


CommitOf: TypeAlias = "Callable[[Path, str], str | None]"
"""Finds the commit in which a file said a schema: see history.commit_of."""


def compare(contracts: Contracts, registry: Registry, commit_of: CommitOf = history.commit_of) -> tuple[Change, ...]:
    """Return every difference, in the order in which it is to be made; faulty contracts are left out."""
    changes: list[Change] = []
    default = contracts.default_level
    if default is not None and (found := registry.level()) != default:
        changes.append(Change("set-level", "(global)", f"{found} → {default}", level=default))
    for contract in contracts.contracts:
        changes += _subject(contract, registry, commit_of)
    known = {*(contract.subject for contract in contracts.contracts), *contracts.faulty}
    for subject in registry.subjects():
        if subject not in known:
            changes.append(Change("unknown-subject", subject, "is in the registry, not in git; left alone"))
    return tuple(changes)


def astray(contracts: Contracts, registry: Registry) -> dict[str, tuple[str, str]]:
    """Return subject → (the level that it has in the registry, the one of its contract), where these differ."""
    there = set(registry.subjects())
    found = {
        each.subject: (registry.level(each.subject) or "none", each.compatibility)
        for each in contracts.contracts
        if each.subject in there
    }
    return {subject: (level, wanted) for subject, (level, wanted) in found.items() if level != wanted}


def _subject(contract: Contract, registry: Registry, commit_of: CommitOf) -> Iterator[Change]:
    """Yield the changes of a subject: its level is set once it exists, before the next version comes."""
    registered = registry.versions(contract.subject)
    for index, (version, there) in enumerate(zip(contract.versions, registered, strict=False)):
        if version.canonical != there.schema:
            yield _contradiction(contract, index, there, registry, commit_of(version.file, there.schema))
    for number, there in enumerate(registered[len(contract.versions) :], len(contract.versions) + 1):
        detail = f"v{there.number} (id {there.id}) is in the registry, not in git: it was registered by hand"
        yield Change("unknown-version", contract.subject, detail, remedy=_adopt(contract, number, there, registry))
    missing = [
        Change("register", contract.subject, f"v{version.number}", text=version.compact)
        for version in contract.versions[len(registered) :]
    ]
    if not registered:
        yield missing.pop(0)
    found = registry.level(contract.subject) if registered else None
    if found != contract.compatibility:
        detail = f"{found or 'none'} → {contract.compatibility}"
        yield Change("set-level", contract.subject, detail, level=contract.compatibility)
    yield from missing


def _contradiction(contract: Contract, index: int, there: Registered, registry: Registry, commit: str | None) -> Change:
    """Tell a file that was changed after it was published from a schema that never was in the file."""
    file = contract.versions[index].file
    if commit is None:
        detail = f"{file.name} is not what the registry has as id {there.id}, and no commit of it ever was: "
        remedy = _adopt(contract, index + 1, there, registry)
        detail += "that was registered by hand, or from a file that was never committed"
        return Change("by-hand", contract.subject, detail, remedy=remedy)
    detail = f"v{index + 1} was published as id {there.id} and its file was changed since (commit {commit} has it)"
    restore = f"git checkout {commit} -- {shlex.quote(str(file))}"
    following = file.with_name(f"v{len(contract.versions) + 1}{file.suffix}")
    keep = f"make the change a new version\ncp {shlex.quote(str(file))} {shlex.quote(str(following))}"
    return Change("edited", contract.subject, detail, remedy=f"{keep}\n{restore}\n./invoke contracts apply")


def _adopt(contract: Contract, number: int, there: Registered, registry: Registry) -> str:
    """Return the commands that take a version of the registry's into git; files from there on get the next number."""
    folder = contract.file.parent
    suffix = contract.latest.file.suffix
    moves = [
        f"mv {shlex.quote(str(version.file))} {shlex.quote(str(folder / f'v{version.number + 1}{suffix}'))}"
        for version in reversed(contract.versions[number - 1 :])
    ]
    place = f"{registry.url}/subjects/{contract.subject}/versions/{there.number}"
    keep = f"curl -sf {place}/schema -o {shlex.quote(str(folder / f'v{number}{suffix}'))}"
    return "\n".join([*moves, keep, "or take it out of the registry instead", f"{registry.curl} -X DELETE {place}"])


def apply(
    contracts: Contracts,
    registry: Registry,
    progress: Callable[[Change], None],
    commit_of: CommitOf = history.commit_of,
) -> Outcome:
    """Make the registry what git says, subject by subject; nothing is deleted.

    A subject that git contradicts ("contract-conflict"), whose version the registry refuses ("contract-incompatible",
    "registry-refused") or that stays as it was ("apply-not-effective") is a failure of the outcome, and the others are
    done. Raises StackError("registry-unreachable").
    """
    changes = compare(contracts, registry, commit_of)
    failures = [conflict(changes)] if any(change.conflict for change in changes) else []
    blocked = {change.subject for change in changes if change.conflict}
    done: list[Change] = []
    for change in changes:
        if not change.appliable or change.subject in blocked:
            continue
        try:
            _make(change, registry)
        except StackError as error:
            if error.exit_code is not ExitCode.FINDINGS:
                raise
            blocked.add(change.subject)
            failures.append(error)
        else:
            done.append(change)
            progress(change)
    left = [each for each in compare(contracts, registry, commit_of) if each.appliable and each.subject not in blocked]
    if left:
        failures.append(
            StackError(
                "apply-not-effective",
                "the registry took every change, and still differs from git",
                context="\n".join(f"{change.subject}: {change.kind} {change.detail}" for change in left),
            )
        )
    return Outcome(tuple(done), tuple(failures))


def _make(change: Change, registry: Registry) -> None:
    if change.level:
        registry.set_level(change.level, None if change.subject == "(global)" else change.subject)
    else:
        registry.register(change.subject, change.text)


def conflict(changes: Sequence[Change]) -> StackError:
    """Return the error for what only a person can settle, with the commands that do."""
    conflicts = [change for change in changes if change.conflict]
    return StackError(
        "contract-conflict",
        f"git contradicts what was published, in {len(conflicts)} place{'s'[: len(conflicts) > 1]}",
        context="\n".join(f"{change.subject}: {change.detail}" for change in conflicts),
        hint="\n".join(change.remedy for change in conflicts),
    )
