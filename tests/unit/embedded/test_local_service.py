from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backbone.errors import StackError
from backbone.stack.engine.embedded.local_service import LocalService
from tests.fakes import model


def local(**body: Any) -> LocalService:
    service = model(s=body)["s"]
    return LocalService(service, Path("/home/s"), {"s": "127.0.0.11"}, Path("/cache"), lambda _: [], Path("/root"))


PUBLISHED = {"ports": [{"host_ip": "127.0.0.1", "published": "9092", "target": 9092}]}
MOUNTED = {
    "volumes": [
        {"type": "bind", "source": "/host/data", "target": "/data"},
        {"type": "bind", "source": "/host/deep", "target": "/data/deep"},
        {"type": "bind", "source": "/srv/agent.jar", "target": "/opt/agent.jar", "read_only": True},
        {"type": "volume", "source": "named", "target": "/cache"},
    ]
}


@pytest.mark.parametrize(
    ("text", "here"),
    [
        ("EXTERNAL://0.0.0.0:9092", "EXTERNAL://127.0.0.1:9092"),
        ("A://0.0.0.0:1,B://0.0.0.0:9092", "A://127.0.0.1:1,B://127.0.0.1:9092"),
        ("EXTERNAL://:9092", "EXTERNAL://127.0.0.1:9092"),
        ("EXTERNAL://[::]:9092", "EXTERNAL://127.0.0.1:9092"),
        ("0.0.0.0:9092", "127.0.0.1:9092"),
        ("EXTERNAL://10.0.0.0:9092", "EXTERNAL://10.0.0.0:9092"),
        ("INTERNAL://kafka-1:19092", "INTERNAL://kafka-1:19092"),
        ("http://registry:8080/apis", "http://registry:8080/apis"),
        ("-Xms256m -Xmx512m", "-Xms256m -Xmx512m"),
    ],
)
def test_a_bind_to_everything_becomes_the_published_address(text: str, here: str) -> None:
    assert local(**PUBLISHED).here(text) == here


def test_a_port_is_published_where_the_user_says() -> None:
    wide = {"ports": [{"host_ip": "192.0.2.7", "published": "9092", "target": 9092}]}
    assert local(**wide).here("A://0.0.0.0:9092,B://0.0.0.0:9093") == "A://192.0.2.7:9092,B://127.0.0.1:9093"


@pytest.mark.parametrize(
    ("text", "here"),
    [
        ("/data", "/host/data"),
        ("/data/a,/data/b", "/host/data/a,/host/data/b"),
        ("/data/deep/x", "/host/deep/x"),
        ("/data/deeper", "/host/data/deeper"),
        ("/database", "/database"),
        ("/data.bak", "/data.bak"),
        ("/data-2", "/data-2"),
        ("/var/data", "/var/data"),
        ("-javaagent:/opt/agent.jar=7071:/data/x.yml", "-javaagent:/srv/agent.jar=7071:/host/data/x.yml"),
        ("-Dx=/data -Dy=/data/z", "-Dx=/host/data -Dy=/host/data/z"),
    ],
)
def test_a_path_below_a_mount_becomes_the_mounts_source(text: str, here: str) -> None:
    assert local(**MOUNTED).here(text) == here


def test_a_source_is_taken_literally() -> None:
    odd = {"volumes": [{"type": "bind", "source": r"/host/\1/data", "target": "/data"}]}
    assert local(**odd).here("/data/x") == r"/host/\1/data/x"


def test_the_embedded_environment_has_the_last_word() -> None:
    found = local(
        **PUBLISHED,
        environment={"HOST": "0.0.0.0:9092", "KEPT": "1"},
        **{"x-embedded": {"runtime": "r", "environment": {"HOST": "127.0.0.9:1", "PORT": 8080}}},
    ).environment
    assert found == {"HOST": "127.0.0.9:1", "KEPT": "1", "PORT": "8080"}


def test_files_of_the_image_become_files_here() -> None:
    files = {"/opt/agent.jar": "artifact:agent", "/opt/rules.yml": "infra/rules.yml"}
    here = local(
        environment={"OPTS": "-javaagent:/opt/agent.jar=kafka-1:9404:/opt/rules.yml"},
        **{"x-embedded": {"runtime": "r", "files": files}},
    )
    here = replace(here, root=Path("/checkout"), jars=lambda name: [Path("/cache", name, "agent.jar")])
    assert here.environment["OPTS"] == "-javaagent:/cache/agent/agent.jar=kafka-1:9404:/checkout/infra/rules.yml"
    assert here.artifact_sets == ["agent"]


def test_data_is_what_is_bound_and_written() -> None:
    assert local(**MOUNTED).data_dirs() == [Path("/host/data"), Path("/host/deep")]


def test_a_site_keeps_its_files_in_its_own_folder() -> None:
    here = local()
    assert {here.log_file.parent.parent, here.output_file.parent, here.record_file.parent} == {here.home}
    assert here.hosts_file.parent == here.home.parent


def test_a_path_of_this_machine_is_one_word_of_the_jvms_options_whatever_it_contains() -> None:
    odd = """/it's "my" stäck"""
    body = {
        "environment": {"OPTS": "-Xmx1g '-Dx=a b' -javaagent:/opt/agent.jar=k:/etc/agent.yml"},
        "volumes": [{"type": "bind", "source": f"{odd}/agent.yml", "target": "/etc/agent.yml", "read_only": True}],
        "x-embedded": {"files": {"/opt/agent.jar": "lib/agent.jar"}},
    }
    found = replace(local(**body), root=Path(odd)).words("OPTS")
    assert found == ["-Xmx1g", "-Dx=a b", f"-javaagent:{odd}/lib/agent.jar=k:{odd}/agent.yml"]


def test_only_paths_of_this_machine_are_written_differently() -> None:
    body = {"environment": {"A": "/data/x,b/data", "B": "none"}, **MOUNTED}
    assert local(**body).environment_with(str.upper) == {"A": "/HOST/DATA/x,b/data", "B": "none"}


def test_options_with_half_a_quote_are_told_with_their_variable() -> None:
    with pytest.raises(StackError) as caught:
        local(environment={"KAFKA_HEAP_OPTS": "-Xmx1g '-Dx=a"}).words("KAFKA_HEAP_OPTS")
    assert (caught.value.reference, caught.value.context) == ("bad-options", "KAFKA_HEAP_OPTS=-Xmx1g '-Dx=a")
