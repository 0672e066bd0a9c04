"""A schema registry with the behaviour that matters: ids, versions, levels, and 409 by the level."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote

from backbone.events.contracts import avrotypes, jsonschemas, resolution

if TYPE_CHECKING:
    from collections.abc import Iterable

Body: TypeAlias = Any


def _missing(what: str, code: int = 40401) -> tuple[int, object]:
    return 404, {"error_code": code, "message": f"{what} not found."}


def _breaks(new: str, old: str, *, is_json: bool) -> Iterable[tuple[tuple[str, ...], str]]:
    if is_json:
        return jsonschemas.breaks(json.loads(new), json.loads(old))
    found = resolution.breaks(avrotypes.read(json.loads(new)), avrotypes.read(json.loads(old)))
    return [(each.place, each.reason) for each in found]


class FakeRegistry:
    """Confluent's API as Apicurio answers it: levels are kept apart from subjects, one id a content."""

    def __init__(self) -> None:
        self.global_level = "NONE"
        self.levels: dict[str, str] = {}
        self.schemas: list[str] = []
        self.subjects: dict[str, list[int]] = {}
        self.forgets = False
        self.requests: list[str] = []

    def answer(self, method: str, path: str, body: Body) -> tuple[int, object]:
        self.requests.append(f"{method} {path}")
        match [unquote(part) for part in path.strip("/").split("/")]:
            case ["config", *subject]:
                return self._config(method, subject, body)
            case ["subjects"]:
                return 200, list(self.subjects)
            case ["subjects", subject, *rest]:
                return self._subject(method, subject, rest, body)
            case ["schemas", "ids", number] if 0 < int(number) <= len(self.schemas):
                return 200, {"schema": self.schemas[int(number) - 1]}
        return _missing("It", 40403)

    def _config(self, method: str, subject: list[str], body: Body) -> tuple[int, object]:
        if method == "PUT":
            if subject:
                self.levels[subject[0]] = body["compatibility"]
            else:
                self.global_level = body["compatibility"]
            return 200, body
        if not subject:
            return 200, {"compatibilityLevel": self.global_level}
        level = self.levels.get(subject[0])
        return (200, {"compatibilityLevel": level}) if level else _missing("Subject")

    def _subject(self, method: str, subject: str, rest: list[str], body: Body) -> tuple[int, object]:
        ids = self.subjects.get(subject, [])
        if method == "POST" and rest == ["versions"]:
            return self._register(subject, body["schema"], is_json=body.get("schemaType") == "JSON")
        if method == "POST":
            for number, identity in enumerate(ids, 1):
                if json.loads(self.schemas[identity - 1]) == json.loads(body["schema"]):
                    return 200, {"subject": subject, "version": number, "id": identity}
            return _missing("Schema", 40403)
        if not ids:
            return _missing(f"Subject '{subject}'")
        if rest == ["versions"]:
            return 200, list(range(1, len(ids) + 1))
        number = len(ids) if rest[1] == "latest" else int(rest[1])
        identity = ids[number - 1]
        return 200, {"version": number, "id": identity, "schema": self.schemas[identity - 1]}

    def _register(self, subject: str, text: str, *, is_json: bool) -> tuple[int, object]:
        ids = self.subjects.setdefault(subject, [])
        try:
            if not is_json:
                avrotypes.read(json.loads(text))
        except ValueError:
            return 422, {"error_code": 42201, "message": "Failed to discover artifact type from content."}
        if text in self.schemas and self.schemas.index(text) + 1 in ids:
            return 200, {"id": self.schemas.index(text) + 1}
        if self.levels.get(subject, self.global_level).startswith("BACKWARD"):
            reasons = [
                f"{reason} at /{'/'.join(place)}"
                for identity in ids
                for place, reason in _breaks(text, self.schemas[identity - 1], is_json=is_json)
            ]
            if reasons:
                message = f"RuleViolationException: Incompatible, list of diff types: [{', '.join(reasons)}]"
                return 409, {"error_code": 409, "message": message}
        if not self.forgets:
            self.schemas.append(text)
            ids.append(len(self.schemas))
        return 200, {"id": len(self.schemas) or 1}
