"""Our reading of `${…}` against what the real docker-compose makes of the same text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from backbone.source import interpolation
from backbone.stack import compose

if TYPE_CHECKING:
    from pathlib import Path

ENVIRON = {"SET": "value", "EMPTY": "", "OTHER": "o"}
NAMES = ("SET", "EMPTY", "UNSET")
EXPRESSIONS = [
    "plain",
    "$$HOME and $$$$",
    "$SET-$OTHER.x",
    "a${SET}b${UNSET}c",
    *(f"<${{{name}{operator}word}}>" for name in NAMES for operator in (":-", "-", ":+", "+")),
    *(f"<${{{name}:-${{OTHER:-deep}}}}>" for name in NAMES),
    "${UNSET:-${EMPTY:-${UNSET-last}}}",
    "${UNSET:-http://h:80/p?q=1}",
    "${UNSET:-a b}",
    "${UNSET-}",
    "${SET:?must be there}",
    "pre${UNSET:-$$x}post",
    *(f"<${{{name}:-{{x}}}}>" for name in NAMES),
    "${SET:-a}b} ${UNSET:-a}b} ${SET:-${UNSET}",
]


def test_evaluation_agrees_with_compose(tmp_path: Path) -> None:
    file = tmp_path / "docker-compose.yml"
    environment = {f"E{number}": text for number, text in enumerate(EXPRESSIONS)}
    file.write_text(json.dumps({"services": {"a": {"image": "x", "environment": environment}}}), encoding="utf-8")
    done = compose.config(file, environ=ENVIRON, options=["--format", "json"])
    assert done.returncode == 0, done.stderr
    resolved = json.loads(done.stdout)["services"]["a"]["environment"]
    ours = {key: interpolation.evaluate(text, ENVIRON.get) for key, text in environment.items()}
    assert ours == resolved


def test_uses_are_listed_outer_first_with_their_offsets() -> None:
    text = "x${A:-${B}}$C$$D"
    assert [(use.name, text[use.start : use.end], use.depth) for use in interpolation.uses(text)] == [
        ("A", "${A:-${B}}", 0),
        ("B", "${B}", 1),
        ("C", "$C", 0),
    ]


def test_what_compose_refuses_is_left_as_it_is() -> None:
    for text in ("${}", "${1}", "${A", "${A!b}", "$", "cost: 5$"):
        assert list(interpolation.uses(text)) == []


def test_variables_inside_each_other_end_at_a_depth_that_nobody_writes() -> None:
    deep = "${A:-" * 1_500 + "x" + "}" * 1_500
    assert [use.depth for use in interpolation.uses(deep)] == list(range(interpolation.MAX_DEPTH))
    assert interpolation.evaluate(deep, {"A": ""}.get).endswith("x" + "}" * (1_500 - interpolation.MAX_DEPTH))


@given(st.text(alphabet="$${}:-?+AB x", max_size=40))
def test_pieces_always_cover_the_text_in_order(text: str) -> None:
    position = 0
    for piece in interpolation.pieces(text, {"A": "1"}.get):
        assert piece.start == position
        assert piece.end > piece.start
        position = piece.end
    assert position == len(text)
