"""Where a resolved value is written: anchors, merges, extends, include, overrides, lists, env files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import pytest

from backbone.source.env_file import Scope
from backbone.source.env_file import load as load_env
from backbone.source.source_map import SourceMap

if TYPE_CHECKING:
    from pathlib import Path

    from backbone.source.span import Span
    from tests.lint.conftest import Write

Read = Callable[..., SourceMap]


@pytest.fixture
def read(write: Write) -> Read:
    """Read a project's first file, with others beside it and a `.env` if it has one."""

    def run(files: Mapping[str, str], *overrides: str, **environ: str) -> SourceMap:
        folder = write(files)
        names = [next(iter(files)), *overrides]
        env = load_env(folder / ".env", environ)
        return SourceMap.read([folder / name for name in names], Scope(folder, environ, (env,)))

    return run


def at(span: Span) -> tuple[str, int, str]:
    """Return file, line and text of a span."""
    return span.path.name, span.line, span.path.read_text(encoding="utf-8")[span.start : span.end]


def test_an_anchor_and_a_merge_key_lead_to_the_line_they_were_written_on(read: Read) -> None:
    sources = read(
        {
            "compose.yml": (
                "x-env: &env\n  A: one\n  B: two\n"
                "services:\n  web:\n    image: x:1\n    environment:\n      <<: *env\n      B: three\n"
            )
        }
    )
    assert at(sources.where("services", "web", "environment", "A")) == ("compose.yml", 2, "one")
    assert at(sources.where("services", "web", "environment", "B")) == ("compose.yml", 9, "three")


def test_extends_is_followed_through_files_and_its_own_value_wins(read: Read) -> None:
    sources = read(
        {
            "compose.yml": ("services:\n  web:\n    extends: {file: base/a.yml, service: a}\n    restart: always\n"),
            "base/a.yml": "services:\n  a:\n    extends: {file: b.yml, service: b}\n    hostname: h\n",
            "base/b.yml": "services:\n  b:\n    restart: 'no'\n    logging: {driver: local}\n",
        }
    )
    assert at(sources.where("services", "web", "restart"))[:2] == ("compose.yml", 4)
    assert at(sources.where("services", "web", "hostname")) == ("a.yml", 4, "h")
    assert at(sources.where("services", "web", "logging", "driver")) == ("b.yml", 4, "local")


def test_a_service_named_by_a_variable_is_extended(read: Read) -> None:
    sources = read(
        {
            "compose.yml": 'services:\n  web:\n    extends: {file: t.yml, service: "${KIND:-small}"}\n',
            "t.yml": "services:\n  small: {mem_limit: 1g}\n  big: {mem_limit: 8g}\n",
        },
        KIND="big",
    )
    assert at(sources.where("services", "web", "mem_limit")) == ("t.yml", 3, "8g")


def test_an_included_file_is_searched_after_the_one_that_includes_it(read: Read) -> None:
    sources = read(
        {
            "compose.yml": "include: [sub/inner.yml]\nnetworks:\n  front: {driver: bridge}\n",
            "sub/inner.yml": "services:\n  db: {image: 'pg:${TAG:-1}'}\n",
            "sub/.env": "TAG=17\n",
        }
    )
    span = sources.where("services", "db", "image")
    assert at(span) == ("inner.yml", 2, "'pg:${TAG:-1}'")
    assert span.variables == ("TAG is '17' by .env:1",)
    assert at(sources.where("networks", "front", "driver")) == ("compose.yml", 3, "bridge")


def test_an_override_wins_and_what_it_leaves_out_is_found_below(read: Read) -> None:
    sources = read(
        {
            "compose.yml": "services:\n  web:\n    image: x:1\n    ports: ['80:80']\n",
            "compose.override.yml": "services:\n  web:\n    image: x:2\n    ports: ['81:81']\n",
        },
        "compose.override.yml",
    )
    assert at(sources.where("services", "web", "image")) == ("compose.override.yml", 3, "x:2")
    assert at(sources.where("services", "web", "ports", 0)) == ("compose.yml", 4, "'80:80'")
    assert at(sources.where("services", "web", "ports", 1)) == ("compose.override.yml", 4, "'81:81'")


def test_a_reset_value_is_not_where_the_model_has_it_from(read: Read) -> None:
    sources = read(
        {
            "compose.yml": "services:\n  web:\n    ports: ['80:80']\n",
            "o.yml": "services:\n  web:\n    ports: !reset []\n",
        },
        "o.yml",
    )
    assert sources.find("services", "web", "ports") == sources.where("services", "web", "ports")
    assert sources.where("services", "web", "ports").path.name == "compose.yml"


def test_list_form_environment_points_at_the_value(read: Read) -> None:
    sources = read({"compose.yml": "services:\n  web:\n    environment:\n      - A=1\n      - B=${P:-2}\n      - C\n"})
    assert at(sources.where("services", "web", "environment", "B")) == ("compose.yml", 5, "${P:-2}")
    assert at(sources.key("services", "web", "environment", "B")) == ("compose.yml", 5, "B=${P:-2}")
    assert at(sources.where("services", "web", "environment", "C")) == ("compose.yml", 6, "C")


def test_a_variable_from_an_env_file_is_found_in_it(read: Read) -> None:
    sources = read(
        {
            "compose.yml": "services:\n  web:\n    env_file: [a.env, b.env]\n    environment: {Z: 1}\n",
            "a.env": "# first\nK=one\n",
            "b.env": "export K='two'\n",
        }
    )
    assert at(sources.where("services", "web", "environment", "K")) == ("b.env", 1, "two")


def test_a_port_range_counts_as_many_entries(read: Read) -> None:
    sources = read({"compose.yml": "services:\n  web:\n    ports: ['80-82:80-82', '90:90']\n"})
    assert at(sources.where("services", "web", "ports", 2))[2] == "'80-82:80-82'"
    assert at(sources.where("services", "web", "ports", 3))[2] == "'90:90'"


def test_a_part_is_traced_through_interpolation_folding_and_escapes(read: Read) -> None:
    sources = read(
        {
            "compose.yml": (
                'services:\n  k:\n    environment:\n      L: "A://k:${PA:-1},\\\n        B://k:${PB:-2}"\n'
                "      M: >-\n        one\n        two ${PA:-1}\n"
            ),
            ".env": "PB=22\n",
        }
    )
    path = ("services", "k", "environment", "L")
    span = sources.where(*path, part="B://k:22")
    assert at(span) == ("compose.yml", 5, "B://k:${PB:-2}")
    assert span.variables == ("PB is '22' by .env:1",)
    assert at(sources.where(*path, part="A://k:1"))[1:] == (4, "A://k:${PA:-1}")
    assert at(sources.where("services", "k", "environment", "M", part="two 1"))[1:] == (8, "two ${PA:-1}")


def test_what_nobody_wrote_points_at_the_nearest_parent(read: Read) -> None:
    sources = read({"compose.yml": "services:\n  web:\n    build:\n      context: .\n"})
    assert at(sources.where("services", "web", "build", "args", "X")) == ("compose.yml", 3, "build")
    assert at(sources.where("services", "web", "healthcheck")) == ("compose.yml", 2, "web")
    assert sources.find("services", "web", "healthcheck") is None


def test_a_variable_that_looks_secret_is_not_told(read: Read) -> None:
    sources = read(
        {"compose.yml": "services:\n  db: {environment: {P: '${DB_PASSWORD}'}}\n"},
        DB_PASSWORD="hunter2",  # noqa: S106 - must not be told
    )
    assert sources.where("services", "db", "environment", "P").variables == (
        "DB_PASSWORD is set in the process's environment",
    )


def test_interpolations_are_listed_with_place_and_nesting(read: Read) -> None:
    sources = read({"compose.yml": "services:\n  a:\n    image: x:${A:-${B:?say B}}$$C\n"})
    found = [(each.name, each.operator, each.argument, each.depth) for each in sources.interpolations]
    assert found == [("A", ":-", "${B:?say B}", 0), ("B", ":?", "say B", 1)]
    assert at(sources.interpolations[1].span)[2] == "${B:?say B}"


@pytest.mark.parametrize(
    "loop", ["include: [compose.yml]\nservices: {a: {image: x}}\n", "services: {a: {extends: a}}\n"]
)
def test_a_loop_of_files_or_services_ends(read: Read, loop: str) -> None:
    sources = read({"compose.yml": loop})
    assert sources.where("services", "a", "image").path.name == "compose.yml"


def test_the_documents_of_one_file_are_merged_in_their_order(read: Read) -> None:
    sources = read(
        {"compose.yml": "services:\n  a: {image: 'x:1', hostname: h}\n---\nservices:\n  a: {image: 'x:2'}\n"}
    )
    assert at(sources.where("services", "a", "image")) == ("compose.yml", 5, "'x:2'")
    assert at(sources.where("services", "a", "hostname")) == ("compose.yml", 2, "h")


def test_crlf_line_ends_do_not_move_columns(tmp_path: Path) -> None:
    file = tmp_path / "compose.yml"
    file.write_bytes(b"services:\r\n  a:\r\n    image: x:1\r\n")
    sources = SourceMap.read([file], Scope(tmp_path, {}))
    span = sources.where("services", "a", "image")
    assert (span.line, span.column, span.end_column) == (3, 12, 15)
