"""What git says and what the registry has: the changes between them, and making them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from backbone.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from backbone.events.contracts.model import Contract, Contracts, Level
    from backbone.events.contracts.registry import Registered, Registry

Kind = Literal["set-level", "register", "edited", "unknown-version", "unknown-subject"]
_CONFLICTS: tuple[Kind, ...] = ("edited", "unknown-version")


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. The first two kinds are what `apply` does; the others only a person can settle."""

    kind: Kind
    subject: str
    detail: str
    level: Level | None = None
    text: str = ""

    @property
    def appliable(self) -> bool:
        """True if `apply` makes it."""
        return self.kind in ("set-level", "register")

    @property
    def conflict(self) -> bool:
        """True if git contradicts what was published."""
        return self.kind in _CONFLICTS


def compare(contracts: Contracts, registry: Registry) -> tuple[Change, ...]:
    """Return every difference, in the order in which it is to be made."""
    changes: list[Change] = []
    if (found := registry.level()) != contracts.default_level:
        detail = f"{found} → {contracts.default_level}"
        changes.append(Change("set-level", "(global)", detail, level=contracts.default_level))
    for contract in contracts.contracts:
        changes += _subject(contract, registry.versions(contract.subject), registry)
    known = {contract.subject for contract in contracts.contracts}
    for subject in registry.subjects():
        if subject not in known:
            changes.append(Change("unknown-subject", subject, "is in the registry, not in git; left alone"))
    return tuple(changes)


def _subject(contract: Contract, registered: Sequence[Registered], registry: Registry) -> Iterator[Change]:
    """Yield the changes of a subject: its level is set once it exists, before the next version comes."""
    for version, there in zip(contract.versions, registered, strict=False):
        if version.canonical != there.schema:
            detail = f"v{version.number} was published as id {there.id} and its file was changed since"
            yield Change("edited", contract.subject, detail)
    for there in registered[len(contract.versions) :]:
        detail = f"v{there.number} (id {there.id}) is in the registry, not in git"
        yield Change("unknown-version", contract.subject, detail)
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


def apply(contracts: Contracts, registry: Registry, progress: Callable[[Change], None]) -> tuple[Change, ...]:
    """Make the registry what git says, and return what was done; nothing is deleted.

    Raises StackError("contract-conflict") before the first change if git contradicts what was published,
    "contract-incompatible" where the registry refuses a version, "apply-not-effective" if it forgot one.
    """
    changes = compare(contracts, registry)
    refuse_conflicts(changes)
    done = tuple(change for change in changes if change.appliable)
    for change in done:
        if change.level:
            registry.set_level(change.level, None if change.subject == "(global)" else change.subject)
        else:
            registry.register(change.subject, change.text)
        progress(change)
    if left := [change for change in compare(contracts, registry) if change.appliable]:
        raise StackError(
            "apply-not-effective",
            "the registry took every change, and still differs from git",
            context="\n".join(f"{change.subject}: {change.kind} {change.detail}" for change in left),
        )
    return done


def refuse_conflicts(changes: Sequence[Change]) -> None:
    """Raise StackError("contract-conflict") if there is one."""
    if conflicts := [change for change in changes if change.conflict]:
        raise StackError(
            "contract-conflict",
            f"git contradicts what was published, in {len(conflicts)} places",
            context="\n".join(f"{change.subject}: {change.detail}" for change in conflicts),
            hint="a published version never changes: restore its file, and add vN+1.avsc with the change",
        )
