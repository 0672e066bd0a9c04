"""Where exported files and what they should say differ: resource by resource, value by value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backbone.strimzi.manifest import Manifest, Steps, untyped, way

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_SECRET = ("password", "secret")
_NOTHING = "(nothing)"


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that differs: what the file has, and what was expected; (nothing) where one of them has none."""

    file: str
    path: str
    found: str
    expected: str


def compare(found: Sequence[Manifest], expected: Sequence[Manifest]) -> list[Difference]:
    """Return every difference, by file. Resources are matched by kind and name: a team may have moved them."""
    have, want = _by_identity(found), _by_identity(expected)
    differences = [
        Difference(each.file, each.kind, f"{each.kind} {each.name}".strip(), _NOTHING)
        for key, each in have.items()
        if key not in want
    ]
    for key, each in want.items():
        if other := have.get(key):
            differences += [Difference(other.file, *rest) for rest in _differ(other.body, each.body, ())]
        else:
            differences.append(Difference(each.file, each.kind, _NOTHING, f"{each.kind} {each.name}".strip()))
    return sorted(differences, key=lambda each: (each.file, each.path))


def _by_identity(manifests: Sequence[Manifest]) -> Mapping[tuple[str, str], Manifest]:
    """Return (kind, name) → resource; a kustomization has no name, and is known by its place."""
    return {(each.kind, each.name or each.file): each for each in manifests}


def _differ(found: Any, expected: Any, steps: Steps) -> Iterator[tuple[str, str, str]]:
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in (*expected, *(each for each in found if each not in expected)):
            yield from _differ(found.get(key, _Absent), expected.get(key, _Absent), (*steps, key))
    elif isinstance(found, list) and isinstance(expected, list):
        for number in range(max(len(found), len(expected))):
            mine, wanted = (each[number] if number < len(each) else _Absent for each in (found, expected))
            yield from _differ(mine, wanted, (*steps, number))
    elif not _same(found, expected):
        yield way(steps), _told(found, steps), _told(expected, steps)


class _Absent:
    """The value of a key that is not there."""


def _same(found: Any, expected: Any) -> bool:
    """Tell whether two values are the same to Kafka: 3 and "3" are."""
    if found is _Absent or expected is _Absent or isinstance(found, dict | list) or isinstance(expected, dict | list):
        return False
    return untyped(found) == untyped(expected)


def _told(value: Any, steps: Steps) -> str:
    if value is _Absent:
        return _NOTHING
    if str(steps[-1]).endswith(_SECRET) and "${" not in str(value):
        return "(a value, not shown)"
    return untyped(value) if not isinstance(value, dict) else ", ".join(map(str, value)) or "{}"
