"""The schema registry over HTTP: Confluent's API, which Apicurio serves below /apis/ccompat/v7."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from backbone import rest, secret_file
from backbone.errors import ExitCode, StackError
from backbone.events.contracts.model import canonical, is_json_schema
from backbone.stack import endpoints

if TYPE_CHECKING:
    from backbone.events.contracts.model import Level
    from backbone.stack.compose import Model

SERVICE = "schema-registry"

_MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"
_USER_FILE = "SMALLRYE_CONFIG_LOCATIONS"
_UNAUTHORIZED = 401
_NOT_FOUND = 404
_INCOMPATIBLE = 409


class Registered(NamedTuple):
    """One version as the registry has it; `schema` is one line of JSON with sorted keys."""

    number: int
    id: int
    schema: str


@dataclass(frozen=True, slots=True)
class Registry:
    """One registry. Every method raises StackError("registry-unreachable"), "registry-refused" or "registry-password".

    user_file: says USER:PASSWORD, for one that lets nobody else write.
    """

    url: str
    timeout: float = 10.0
    user_file: Path | None = None

    @property
    def curl(self) -> str:
        """The beginning of a command line that writes to it, without the password among the arguments."""
        login = f'printf \'user = "%s"\\n\' "$(cat {shlex.quote(str(self.user_file))})" | curl -K -'
        return f"{login if self.user_file else 'curl'} -sf"

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
            credentials=lambda: secret_file.basic_auth(self.user_file) if self.user_file else {},
        )
        answer = service.ask(method, path, body)
        if answer.status == _UNAUTHORIZED:
            raise self._unauthorized()
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

    def _unauthorized(self) -> StackError:
        given = f"does not accept the user of {self.user_file}" if self.user_file else "wants a user and a password"
        return StackError(
            "registry-password",
            f"the schema registry at {self.url} {given}",
            hint="it reads its file when it starts\n./invoke restart schema-registry" if self.user_file else None,
            exit_code=ExitCode.ENVIRONMENT,
        )


def of_stack(model: Model) -> Registry:
    """Return this stack's own registry, with the user file that it reads where it asks who writes."""
    service, url = model[SERVICE], endpoints.named(model, SERVICE, "SCHEMA_REGISTRY_URL").rstrip("/")
    folder, _, name = service.environment.get(_USER_FILE, "").rpartition("/")
    source = next((mount.source for mount in service.mounts if name and mount.target == folder), None)
    return Registry(url, user_file=Path(source, name) if source else None)


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
