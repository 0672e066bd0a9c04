"""Every key that we give to programs that no test can start is one that their documentation names in that section."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from backbone.stack import compose
from backbone.stack.settings import Settings
from tests import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OBSERVABILITY = ROOT / "infra" / "06-observability"
Key = tuple[str, str]
DOCUMENTED: dict[str, dict[str, str]] = yaml.safe_load(
    (Path(__file__).parent / "documented_keys.yml").read_text(encoding="utf-8")
)


def nested(value: Any, section: str = "") -> Iterator[Key]:
    """Yield (section, key) of a YAML file; an entry of a list belongs to the list's key."""
    for each in value if isinstance(value, list) else [value]:
        for key, below in each.items() if isinstance(each, dict) else ():
            yield section, str(key)
            yield from nested(below, f"{section}.{key}".lstrip("."))


def loki() -> Iterator[Key]:
    yield from nested(yaml.safe_load((OBSERVABILITY / "loki" / "loki.yml").read_text(encoding="utf-8")))


def alloy() -> Iterator[Key]:
    """Yield the arguments and blocks of config.alloy: `NAME "LABEL" {`, `NAME {`, `NAME = VALUE` or `}` on a line."""
    blocks: list[str] = []
    for line in (OBSERVABILITY / "alloy" / "config.alloy").read_text(encoding="utf-8").splitlines():
        if opened := re.fullmatch(r'\s*([a-z._]+)(?: "\w+")? \{', line):
            if blocks:
                yield ".".join(blocks), opened[1]
            blocks.append(opened[1])
        elif line.strip() == "}":
            blocks.pop()
        elif given := re.match(r"\s*([a-z_]+)\s+= ", line):
            yield ".".join(blocks), given[1]
        else:
            assert line == "" or line.startswith("//"), line
    assert blocks == []


def grafana() -> Iterator[Key]:
    """Yield the settings that the environment makes: GF_SECTION_KEY, with `.` of a section as `_`."""
    sections = sorted(DOCUMENTED["grafana"], key=len, reverse=True)
    for name in compose.load(Settings(environ={}), ["obs"])["grafana"].environment:
        rest = name.removeprefix("GF_").lower()
        section = next(each for each in sections if rest.startswith(each.replace(".", "_") + "_"))
        yield section, rest.removeprefix(section.replace(".", "_") + "_")


@pytest.mark.parametrize("ours", [loki, alloy, grafana])
def test_every_key_is_documented_in_its_section(ours: Callable[[], Iterator[Key]]) -> None:
    documented = DOCUMENTED[ours.__name__]
    given = list(ours())
    assert len(given) > 8
    assert [(section, key) for section, key in given if key not in documented.get(section, "").split()] == []
