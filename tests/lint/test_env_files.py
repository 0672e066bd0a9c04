"""Our parser of `.env` against the pinned docker-compose: the same values, the same rejections."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backbone.errors import ExitCode, StackError
from backbone.source import env_file
from backbone.stack import compose

if TYPE_CHECKING:
    from pathlib import Path

ENVIRON = {"SET": "value", "EMPTY": "", "A": "from outside"}
EXAMPLES = 40
FILES = {
    "both separators": "A1=b\nB: c\nC : d\nD = e\nE:f=g\nF=g:h\n",
    "spaces and tabs": "  A1 =  one \t\n\tB\t=\ttwo\n",
    "a tab in a name": "A\tB=1\nC=2\n",
    "comments": "# all\nA1=one # two\nB=one#two\nC= # two\nD=#two\nE=one\t# two\n  # indented\nF=''# two\n",
    "empty values": "A1=\nB:\nC=''\nD=\"\"\nE=\n",
    "export": "export A1=1\nexport\tB=2\nexportC=3\nexport =4\nexport D\nexport SET\nexports=5\n",
    "export alone": "export\nA1=1\n",
    "export of nothing": "A1=1\nexport ",
    "a name alone": "SET\nUNSET\nEMPTY\nA1=1\nA1\n",
    "a name alone at the end": "B=1\nSET",
    "no line end": "A1=1",
    "dots, dashes, brackets": "a.b=1\na-b=2\na[0]=3\n1A=4\nÄ=5\n²=6\n",
    "single quotes": "A1='$SET # x \\n \\' \"'\nB='a'b\nC='a' D=1\nE='two\nlines'\n",
    "double quotes": 'A1="$SET # x \\" \'"\nB="two\nlines"\nC="a" D="b"\nE="\\\\"\nF="\\\\\\""\n',
    "escapes": r'A1="\a\b\c\d\f\n\r\t\v\\ \0 \012 \0101 \0777 \0351 \08 \x41 \u0041"' '\nB="\\$SET $$SET"\nC=\\n\n',
    "dollars": "A1=$$SET\nB=$SET\nC=${SET}-x\nD=$\nE=$1\nF=a$ b\nG=$$$SET\nH='$SET'\nI=\"\\044SET\"\n",
    "operators": "B=${U:-a}${E:-b}${SET:+c}${U+d}${EMPTY-e}${EMPTY:-f}${SET?g}${SET:?h}\nC=${U:-${V:-${SET}}}\n",
    "braces in a default": "B=${SET:-{x}}\nC=${U:-{x}}\nD=${U:-{}}\nE=${SET:-a}b}\nF=${SET:-a}}\n",
    "an open brace that is not needed": "B=${SET:-${U}\n",
    "an open brace that is needed": "B=${U:-${V}\n",
    "the environment first, then the file": "A=mine\nB=$A\nC=1\nD=$C\nC=2\nE=$C\n",
    "byte order mark": "\ufeffA1=1\nB=2\n",
    "carriage returns": "A1=1\r\nB='2'\r\nC=\"3\"\r\n# x\r\nSET\r\nD=4 # x\r\n",
    "lone carriage returns": "A1=1\rB=2\nC=3\n",
    "strange spaces": "\u2028A1=1\u2003\n\x0bB=\xa02\u2009 #c\nC\u2003=3\n",
    "separators of Python alone": "A1=1\x1cB=2\x1d\nC=\x1e3\n",
    "nothing": "",
    "no text": "\n \n# x",
    "a space in a name": "A B=1\n",
    "a space in a name alone": "A1=1\nA B\n",
    "a character in a name": "A1=1\n\nA$B=1\n",
    "a quote in a name": "A1=1\n'B'=2\n",
    "an open quote": "A1=1\nB='x\nC=2\n",
    "an open double quote": 'A1="x\\"\n',
    "words after a quote": "A1='x' y\n",
    "a character after a quote": "A1='x'!\n",
    "no variable": "A1=1\nB=${}\n",
    "no variable with a digit": "B=${1}\n",
    "an open variable": "B=${A\n",
    "an unknown operator": "B=${A!b}\n",
    "a default over lines": 'B="${U:-a\nb}"\n',
    "a required variable": "B=${U:?it is needed}\n",
    "a required variable that is empty": "B=${EMPTY?}\nC=${EMPTY:?}\n",
}


LETTERS = "ABb1_.-[]=:#$'\"\\ \t\r\n{}?+é!"
WORDS = [
    "SET",
    "EMPTY",
    "export ",
    "\n",
    "\n",
    " #",
    "${",
    "${SET",
    ":-",
    "\\n",
    "\\0",
    "$$",
    "A='",
    '\nB="',
    "\nC=",
    "D=",
]
PIECES = st.sampled_from([*LETTERS, *WORDS])


def ours(text: str, folder: Path) -> dict[str, str] | None:
    """Return the variables of a text, None if it is rejected."""
    path = folder / ".env"
    path.write_bytes(text.encode())
    try:
        return {**env_file.read(path, ENVIRON), **ENVIRON}
    except StackError as error:
        return None if error.reference == "env-syntax" else {}


def theirs(text: str, folder: Path) -> str | None:
    """Return what docker-compose lists as the variables of a text, None if it rejects it."""
    (folder / "docker-compose.yml").write_text("services: {a: {image: x}}\n", encoding="utf-8")
    (folder / ".env").write_bytes(text.encode())
    argv = [str(compose.binary()), "config", "--environment"]
    done = subprocess.run(argv, capture_output=True, check=False, env=ENVIRON, cwd=folder)
    return None if done.returncode else "\n" + done.stdout.decode()


def agree(text: str, folder: Path) -> None:
    """Compare what the two make of a text."""
    told, listed = ours(text, folder), theirs(text, folder)
    assert (told is None) == (listed is None), f"we: {told}, Compose: {listed!r}"
    if told is None or listed is None:
        return
    for name, value in told.items():
        assert f"\n{name}={value}\n" in listed
        listed = listed.replace(f"\n{name}={value}\n", "\n", 1)
    # What is left: two that Compose decides, and one without a name, which nobody can use.
    assert re.fullmatch(r"\n(=[^\n]*\n|COMPOSE_PROJECT_NAME=[^\n]*\n|PWD=[^\n]*\n)*", listed), listed


@pytest.mark.parametrize("text", FILES.values(), ids=list(FILES))
def test_a_file_is_read_as_compose_reads_it(text: str, tmp_path: Path) -> None:
    agree(text, tmp_path)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PIECES, min_size=1, max_size=25).map("".join))
def test_any_file_is_read_as_compose_reads_it(tmp_path: Path, text: str) -> None:
    agree(text, tmp_path)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("a space in a name", 1),
        ("a space in a name alone", 2),
        ("a character in a name", 3),
        ("an open quote", 2),
        ("a character after a quote", 1),
        ("no variable", 2),
        ("a default over lines", 1),
    ],
)
def test_a_rejection_names_line_and_reason(name: str, line: int, tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(FILES[name].encode())
    with pytest.raises(StackError, match="env-syntax") as caught:
        env_file.read(tmp_path / ".env", ENVIRON)
    assert caught.value.message.startswith(f"line {line} of .env: ")
    assert caught.value.context == f"{tmp_path / '.env'}:{line}"
    assert caught.value.exit_code is ExitCode.USAGE


def test_the_place_of_a_value_is_its_text(tmp_path: Path) -> None:
    text = "\ufeff# x\nexport A: 'one'  B=\"$SET\" # c\nC = two # c\nSET\n"
    file = env_file.parse(tmp_path / ".env", text, ENVIRON)
    places = {name: text[one.value_span.start : one.value_span.end] for name, one in file.assignments.items()}
    assert places == {"A": "one", "B": "$SET", "C": "two", "SET": "SET"}
    assert [text[one.span.start : one.span.end] for one in file.assignments.values()][1:3] == ['B="$SET"', "C = two"]
    assert (file.assignments["C"].span.line, file.assignments["C"].span.column) == (3, 1)
