"""What a node's command line says: `kafka-server-start.sh FILE --override NAME=VALUE …` (ADR 0141).

Kafka's own script reads a file and the flags after it, and no environment. Started by the file that Kafka is released
with, a node has the settings of that file and of the flags; what the shell puts into a flag is followed into the
service's environment.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from backbone.lint.kafka import image_defaults
from backbone.lint.kafka.properties import Setting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from backbone.lint.kafka.images import Image
    from backbone.lint.project import Service

    Path = tuple[str | int, ...]

_OVERRIDE = re.compile(r"--override(?:=|\s+)(?P<word>(?:\"(?:[^\"\\]|\\.)*\"|'[^']*'|\\.|[^\s\"'\\;&|])+)", re.DOTALL)
_QUOTED = re.compile(r"\"(?P<double>(?:[^\"\\]|\\.)*)\"|'(?P<single>[^']*)'|\\(?P<escaped>.)", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:\{(?P<name>\w+)(?::?-(?P<default>[^{}$]*))?\}|(?P<plain>[A-Za-z_]\w*))")
_STARTED_BY = re.compile(
    r"kafka-server-start(?:\.sh)?(?:\s+-daemon)?\s+[\"']?(?:\./|/opt/kafka/)?config/(?P<kraft>kraft/)?server\.properties\b"
)
_KAFKAS_OWN = re.compile(r"\b(?:kafka|zookeeper)-[a-z-]+\.sh")
_CHANGES_A_FILE = re.compile(
    r"\.sh\b|\b(?:sed|tee|cp|mv|envsubst)\s|>\s*[\"']?\S*\.properties|docker/(?:run|configure)"
)
_FIRST_IN_KRAFT = (4, 0)


def overrides(service: Service) -> tuple[dict[str, Setting], set[str]]:
    """Return the properties that `--override` sets, and the names of those with a value that is not known.

    That is so where it has something that only the running shell knows, such as `$(hostname)`.
    """
    found: dict[str, Setting] = {}
    unknown: set[str] = set()
    for path, word, shell in _words(service):
        name, equals, value = word.partition("=")
        told, variable = _filled(value, service) if shell else (value, "")
        if told is None:
            unknown.add(name.strip())
        elif equals:
            at = ("environment", variable) if variable else path
            found[name.strip()] = Setting(name.strip(), told, path=at, flag=path)
    return found, unknown


def released_file(service: Service, image: Image) -> Mapping[str, str] | None:
    """Return what the file holds by which a node starts, if that is one Kafka is released with and nothing changes it.

    None for a file of the project's own, one that a command edits first, and that of a version that is not known.
    """
    line = " ".join((*service.entrypoint, *service.command))
    match, version = _STARTED_BY.search(line), image.kafka_version
    if match is None or version is None or _CHANGES_A_FILE.search(_KAFKAS_OWN.sub("", line)):
        return None
    if match["kraft"]:
        return image_defaults.RELEASED_KRAFT if version < _FIRST_IN_KRAFT else None
    return image_defaults.RELEASED_4 if version >= _FIRST_IN_KRAFT else image_defaults.RELEASED_ZOOKEEPER


def _words(service: Service) -> Iterator[tuple[Path, str, bool]]:
    """Yield (path, NAME=VALUE, whether a shell reads it first) of each flag."""
    for key, words in (("entrypoint", service.entrypoint), ("command", service.command)):
        for index, word in enumerate(words):
            if word == "--override" and index + 1 < len(words):
                yield (key, index + 1), words[index + 1], False
            elif word.startswith("--override=") and not re.search(r"\s", word):
                yield (key, index), word.removeprefix("--override="), False
            else:
                for match in _OVERRIDE.finditer(word):
                    yield (key, index), _QUOTED.sub(_inside, match["word"]), True


def _inside(quoted: re.Match[str]) -> str:
    return quoted["double"] or quoted["single"] or quoted["escaped"] or ""


def _filled(text: str, service: Service) -> tuple[str | None, str]:
    """Return a word as the shell hands it on, None if that is not known; and the variable that is all of it, or ""."""
    environment = {"HOSTNAME": service.hostname, **service.environment}

    def value(match: re.Match[str]) -> str:
        return environment.get(match["name"] or match["plain"]) or match["default"] or ""

    found = list(_VARIABLE.finditer(text))
    if not all(value(match) for match in found) or re.search(r"[$`]", _VARIABLE.sub("", text)):
        return None, ""
    name = found[0]["name"] or found[0]["plain"] if found and found[0][0] == text else ""
    return _VARIABLE.sub(value, text), name if service.environment.get(name) else ""
