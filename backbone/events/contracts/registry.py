"""The schema registry over HTTP: Confluent's API, which Apicurio serves below /apis/ccompat/v7."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from backbone import rest
from backbone.errors import StackError
from backbone.events.contracts.model import canonical, is_json_schema

if TYPE_CHECKING:
    from backbone.events.contracts.model import Level

_MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"
_NOT_FOUND = 404
_INCOMPATIBLE = 409


class Registered(NamedTuple):
    """One version as the registry has it; `schema` is one line of JSON with sorted keys."""

    number: int
    id: int
    schema: str


@dataclass(frozen=True, slots=True)
class Registry:
    """One registry. Every method raises StackError("registry-unreachable") or "registry-refused"."""

    url: str
    timeout: float = 10.0

    def level(self, subject: str | None = None) -> str | None:
        """Return a subject's level, None if it has none of its own; without subject, the global one."""
        answer = self._call("GET", _config(subject), none_if_missing=True)
        return None if answer is None else str(answer["compatibilityLevel"])

    def set_level(self, level: Level, subject: str | None = None) -> None:
        """Set the level of a subject, or the global one."""
        self._call("PUT", _config(subject), {"compatibility": level})

    def subjects(self) -> tuple[str, ...]:
        """Return every subject, sorted."""
        return tuple(sorted(self._call("GET", "/subjects")))

    def versions(self, subject: str) -> tuple[Registered, ...]:
        """Return the versions of a subject in order; none if there is no such subject."""
        base = f"/subjects/{quote(subject, safe='')}/versions"
        numbers = self._call("GET", base, none_if_missing=True) or []
        answers = (self._call("GET", f"{base}/{number}") for number in sorted(numbers))
        return tuple(
            Registered(answer["version"], answer["id"], canonical(json.loads(answer["schema"]))) for answer in answers
        )

    def register(self, subject: str, schema: str) -> int:
        """Register a version and return the id of its schema, also when it is there already.

        Raises StackError("contract-incompatible") with the reasons if it breaks the subject's level.
        """
        path = f"/subjects/{quote(subject, safe='')}/versions"
        answer: dict[str, Any] = self._call("POST", path, _typed(schema))
        return int(answer["id"])

    def delete(self, subject: str) -> None:
        """Delete a subject with its versions, for good; one that is not there is no error."""
        path = f"/subjects/{quote(subject, safe='')}"
        if self._call("DELETE", path, none_if_missing=True) is not None:
            self._call("DELETE", f"{path}?permanent=true", none_if_missing=True)

    def find(self, subject: str, schema: str) -> Registered | None:
        """Return the version of a subject that has this schema, None if it was never registered there."""
        answer = self._call("POST", f"/subjects/{quote(subject, safe='')}", _typed(schema), none_if_missing=True)
        return None if answer is None else Registered(answer["version"], answer["id"], canonical(json.loads(schema)))

    def schema(self, identity: int) -> Any:
        """Return the schema of an id as a value, None if the registry does not know it.

        Raises StackError("unsupported-schema") for Protobuf, and for a schema whose types are in other subjects.
        """
        answer = self._call("GET", f"/schemas/ids/{identity}", none_if_missing=True)
        if answer is None:
            return None
        kind = answer.get("schemaType") or "AVRO"
        if kind not in ("AVRO", "JSON") or answer.get("references"):
            what = "refers to other subjects" if answer.get("references") else f"is {kind}"
            raise StackError("unsupported-schema", f"schema {identity} {what}; only whole Avro and JSON Schema is read")
        return json.loads(answer["schema"])

    def _call(self, method: str, path: str, body: object | None = None, *, none_if_missing: bool = False) -> Any:
        service = rest.Service(
            "the schema registry",
            "registry",
            self.url,
            self.timeout,
            headers={"Content-Type": _MEDIA_TYPE, "Accept": f"{_MEDIA_TYPE}, application/json"},
            unreachable_hint="./invoke up --profile messaging\n./invoke status",
            stranger_hint="SCHEMA_REGISTRY_PORT in .env: does another program use it?",
        )
        answer = service.ask(method, path, body)
        if answer.status == _NOT_FOUND and none_if_missing:
            return None
        if answer.status == _INCOMPATIBLE:
            raise StackError(
                "contract-incompatible",
                f"the registry refuses {path.split('/')[2]}: it breaks the promise of the subject's level (409)",
                context=_reasons(answer.message),
                hint="give a new field a default, keep the types of the old ones\n./invoke contracts check",
            )
        return service.read(method, path, answer)


def _typed(schema: str) -> dict[str, str]:
    """Return what the registry wants of a schema: without a type it is Avro; what cannot be read is its to refuse."""
    try:
        is_json = is_json_schema(json.loads(schema))
    except json.JSONDecodeError:
        is_json = False
    return {"schema": schema, "schemaType": "JSON"} if is_json else {"schema": schema}


def _config(subject: str | None) -> str:
    return f"/config/{quote(subject, safe='')}" if subject else "/config"


def _reasons(message: str) -> str:
    """Return the differences in the registry's message, one a line, without the Java class before them."""
    _, _, listed = message.partition("list of diff types: [")
    return "\n".join(listed.rstrip("]").split(", ")) if listed else message
