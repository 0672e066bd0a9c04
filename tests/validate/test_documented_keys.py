"""Every key that we give to programs that no test can start is one that their documentation names in that section."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from backbone import client_properties
from backbone.stack import compose
from backbone.stack.settings import Settings
from tests import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OBSERVABILITY = ROOT / "infra" / "06-observability"
CLIENT = ROOT / "infra" / "05-messaging" / "security" / "secure" / "client.properties"
UI_CLIENT = "KAFKA_CLUSTERS_0_PROPERTIES_"
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


def exporter() -> Iterator[Key]:
    """Yield the flags of kafka-exporter."""
    yield from (("", name) for name, _ in flags())


def ui() -> Iterator[Key]:
    """Yield the UI's variables: those of a Kafka client are in `shown`."""
    sections = sorted(filter(None, DOCUMENTED["ui"]), key=len, reverse=True)
    for name in secure()["kafka-ui"].environment:
        if not name.startswith(UI_CLIENT):
            section = next((each for each in sections if name.lower().startswith(f"{each}_")), "")
            yield section, name[len(section) + bool(section) :]


def bridge() -> Iterator[Key]:
    """Yield the REST proxy's properties, those of a Kafka client without their names."""
    for key in bridge_properties():
        section = "http" if key.startswith("http.") else ""
        if not key.startswith("kafka."):
            yield section, key.removeprefix("http.")


@cache
def secure() -> compose.Model:
    return compose.load(Settings(environ={"KAFKA_SECURITY": "secure"}), ["*"])


def flags() -> list[tuple[str, str]]:
    words = [str(word) for word in secure()["kafka-exporter"].raw["command"]]
    assert all(word.startswith("--") for word in words)
    return [(name.removeprefix("--"), value) for name, _, value in (word.partition("=") for word in words)]


def bridge_properties() -> dict[str, str]:
    """Return the file that the REST proxy's command makes, by running it on our files."""
    model = secure()
    bash, flag, script = (str(word) for word in model["kafka-rest"].raw["command"])
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder, "given.properties")
        given.write_text(model.raw["configs"]["kafka-rest"]["content"], encoding="utf-8")
        made = Path(folder, "made.properties")
        for inside, here in {
            "/opt/bridge/application.properties": given,
            "/opt/security/client.properties": CLIENT,
            "/tmp/application.properties": made,  # noqa: S108 - in the container
            "exec /opt/strimzi/bin/kafka_bridge_run.sh": "echo",
        }.items():
            assert inside in script
            script = script.replace(inside, str(here))
        subprocess.run([bash, flag, script], check=True, capture_output=True)
        return client_properties.parse(made.read_text(encoding="utf-8"))


@pytest.mark.parametrize("ours", [loki, alloy, grafana, exporter, ui, bridge])
def test_every_key_is_documented_in_its_section(ours: Callable[[], Iterator[Key]]) -> None:
    documented = DOCUMENTED[ours.__name__]
    given = list(ours())
    assert len(given) > 6
    assert [(section, key) for section, key in given if key not in documented.get(section, "").split()] == []


def test_who_asks_the_brokers_by_certificate_shows_the_one_that_is_mounted() -> None:
    known = json.loads((ROOT / "schemas" / "kafka-properties.json").read_text(encoding="utf-8"))
    wanted = client_properties.parse(CLIENT.read_text(encoding="utf-8"))
    assert all(name in known[client] for name in wanted for client in ("admin", "producer", "consumer"))
    for name in ("kafka-rest", "kafka-exporter", "kafka-ui"):
        folder = secure()[name].raw["x-certificate"]
        assert all(value.startswith(f"{folder}/") for value in wanted.values() if "/" in value), name
    shown = {name.removeprefix(UI_CLIENT): value for name, value in secure()["kafka-ui"].environment.items()}
    assert {name: shown[name.upper().replace(".", "_")] for name in wanted} == wanted
    proxy = bridge_properties()
    assert {name: proxy[f"kafka.{name}"] for name in wanted} == wanted
    assert proxy.keys() >= {"kafka.bootstrap.servers", "http.cors.enabled"}
    lag = dict(flags())
    assert (lag["tls.enabled"], lag["tls.ca-file"]) == ("", wanted["ssl.truststore.location"])
    assert {lag["tls.cert-file"], lag["tls.key-file"]} == {wanted["ssl.keystore.location"]}
