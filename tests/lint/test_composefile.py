"""One file: what keeps it from being read, and where its nodes are."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from backbone.source import compose_file, reading, scalar_text
from backbone.source.compose_file import ScalarNode

HERE = Path("docker-compose.yml")
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join(['*' + old] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB, "aliases expanded"),
        ("a: &a [*a]\n", "alias of itself"),
        ("a: &a {k: &b {m: *a}}\n", "alias of itself"),
        ("services: {a: &a {<<: *a}}\n", "alias of itself"),
        ("[" * 100_000, "brackets are open"),
        ("a: " + "[" * 150 + "]" * 150, "151 levels"),
        ("- " * 100_000 + "x", "nested lists"),
        ("a: b\n\tc: d\n", ""),
        ("a: b: c\n", "mapping values"),
        ("a: \x00\n", "U+0000"),
        ("a: [1, 2\n", "did not find expected"),
    ],
    ids=["bomb", "self", "loop", "merge", "flow", "levels", "block", "tab", "colon", "nul", "open"],
)
def test_what_cannot_be_used_says_why(text: str, words: str) -> None:
    file = compose_file.parse(HERE, text)[0]
    assert file.problem is not None
    assert words in file.problem.message
    assert file.root is None
    assert 0 <= file.problem.start <= len(text)


def test_nine_levels_of_aliases_are_measured_without_being_expanded() -> None:
    problem = compose_file.parse(HERE, BOMB)[0].problem
    assert problem is not None
    assert "holds 490,329,055 values" in problem.message


def test_a_large_file_without_aliases_is_fine() -> None:
    text = "services:\n" + "".join(f"  s{n}: {{image: x, ports: ['{n}:80']}}\n" for n in range(20_000))
    assert compose_file.parse(HERE, text)[0].problem is None


def test_bytes_that_are_no_utf8_are_named_with_their_place(tmp_path: Path) -> None:
    path = tmp_path / "docker-compose.yml"
    path.write_bytes(b"services:\n  a: {image: caf\xe9}\n")
    file = compose_file.load(path)[0]
    assert file.problem is not None
    assert "0xe9" in file.problem.message
    span = file.span(file.problem.start, file.problem.end)
    assert (span.line, span.column) == (2, 17)


def test_a_file_over_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "docker-compose.yml"
    with path.open("wb") as out:
        out.truncate(reading.MAX_BYTES + 1)
    problem = compose_file.load(path)[0].problem
    assert problem is not None
    assert "8 MiB" in problem.message


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n"])
def test_an_empty_file_has_no_nodes_and_no_problem(text: str) -> None:
    file = compose_file.parse(HERE, text)[0]
    assert file.problem is None
    assert not compose_file.entries(file.root)


def test_own_keys_win_over_merged_and_earlier_merges_over_later() -> None:
    root = compose_file.parse(HERE, "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: [*a, *b], x: 3}\n")[0].root
    found = compose_file.entries(compose_file.entries(root)["c"][1])
    assert {key: value.value for key, (_, value) in found.items()} == {"x": "3", "y": "1", "z": "2"}


TEXT = st.text(alphabet=st.sampled_from("ab :'\"\\#-\n\t é{}[]|>"), min_size=1, max_size=30)


@given(TEXT, st.sampled_from(['"', "'", "|", ">"]))
def test_every_character_of_a_value_is_traced_to_the_same_character(value: str, style: str) -> None:
    written = yaml.dump({"k": value}, default_style=style, allow_unicode=True, width=20)
    file = compose_file.parse(HERE, written)[0]
    _, node = next(iter(compose_file.entries(file.root).values()))
    assert isinstance(node, ScalarNode)
    places = scalar_text.offsets(file.text, node)
    assert len(places) == len(node.value) + 1
    assert places == sorted(places)
    for character, place in zip(node.value, places, strict=False):
        if not character.isspace() and file.text[place] != "\\":
            assert file.text[place] == character
