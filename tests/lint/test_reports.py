"""What a person and a machine are told: text, JSON, SARIF, GitHub, JUnit, fixes and exit codes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import jsonschema_rs
import pytest

from backbone.lint.output import fix
from backbone.lint.output import text as text_report
from backbone.lint.output.excerpt import Mark, excerpt, plain
from backbone.lint.output.formats import FORMATS
from backbone.source.span import Span
from tests import ROOT

if TYPE_CHECKING:
    from backbone.lint.run import Outcome
    from tests.lint.conftest import Lint, Write

TWICE = "services:\n  web:\n    image: x:1\n    image: x:2\n"
OCTAL = "services:\n  web:\n    image: x:1  # why\n    environment:\n      A: 010 # eight\n      B: 'b'\n"


def rendered(outcome: Outcome) -> str:
    lines = text_report.text(outcome.result, outcome.project, lambda path: path.name)
    return "".join("".join(text for text, _ in line) + "\n" for line in lines)


def formatted(outcome: Outcome, kind: str) -> str:
    return FORMATS[kind](outcome.result, outcome.project, lambda path: path.name, outcome.rules)


def invoke(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a task as a user does, from the root of the repository."""
    return subprocess.run(
        [sys.executable, "-m", "invoke", *words],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_text_shows_both_places_with_their_labels(lint: Lint) -> None:
    assert rendered(lint(TWICE, select=("KC002",))) == (
        "error[KC002 duplicate-key]: 'image' is written twice in services.web\n"
        "  --> docker-compose.yml:4:5\n"
        "  |\n"
        "3 |     image: x:1\n"
        "  |     ----- first here\n"
        "4 |     image: x:2\n"
        "  |     ^^^^^ again here\n"
        '  = why: Compose refuses it ("mapping key already defined"); '
        "most YAML libraries silently keep the last one.\n"
        "  = help: keep one of them\n"
        "  = more: ./invoke explain KC002\n"
        "\n"
    )


def test_text_tells_where_an_interpolated_value_comes_from(lint: Lint) -> None:
    files = {
        "docker-compose.yml": "services:\n  web:\n    image: x:1\n    ports: ['${P:-1}:80']\n",
        "policy.toml": "[require]\nports_from_env = true\n",
        ".env": "P=9\n",
        ".env.example": "",
    }
    assert "  = value: P is '9' by .env:1\n" in rendered(lint(files, select=("KC605",)))


def test_errors_come_first_and_one_reason_is_given_once(lint: Lint) -> None:
    """What is wrong at the end of the file is read first; the same of another service is one line."""
    services = "".join(f"  s{n}: {{image: 'redis:8'}}\n" for n in range(3))
    text = f"services:\n{services}  z: {{image: 'x:1', depends_on: {{s1: {{condition: service_healthy}}}}}}\n"
    lines = rendered(lint(text, select=("KC401", "KC402"))).splitlines()
    heads = [line for line in lines if re.match(r"\w+\[", line)]
    assert [head.partition(" ")[0] for head in heads] == ["error[KC402", "warning[KC401"]
    assert sum(line.startswith("  = why:") for line in lines) == 2
    assert [line.split(":")[1] for line in lines if line.startswith("  + ")] == ["3", "4", "5"]


def test_one_cause_is_one_finding_with_its_places(lint: Lint) -> None:
    text = "services:\n  a: {image: '${TAG}'}\n  b: {image: '${TAG}'}\n  c: {image: 'x:${TAG}'}\n"
    outcome = lint(text, select=("KC303",))
    (finding,) = json.loads(formatted(outcome, "json"))["findings"]
    assert (finding["line"], [place["line"] for place in finding["also"]]) == (2, [3, 4])
    assert len({finding["identity"], *(place["identity"] for place in finding["also"])}) == 3
    assert "  = also: docker-compose.yml:3:15, docker-compose.yml:4:17\n" in rendered(outcome)
    assert "1 warning" in text_report.verdict(outcome.result, outcome.project)
    assert len(formatted(outcome, "github").splitlines()) == 3
    (result,) = json.loads(formatted(outcome, "sarif"))["runs"][0]["results"]
    assert [place["physicalLocation"]["region"]["startLine"] for place in result["relatedLocations"]] == [3, 4]


def test_what_services_share_by_an_anchor_is_one_finding(lint: Lint) -> None:
    text = (
        "x-env: &env\n  KAFKA_LISTENERS: PLAINTEXT://:9092\n  KAFKA_LOG_DIR: /data\n  KAFKA_LOG_RETENTION_HUORS: 1\n"
        "services:\n" + "".join(f"  k{n}: {{image: 'apache/kafka:4.1.0', environment: *env}}\n" for n in (1, 2, 3))
    )
    (judged,) = lint(text, select=("KC006",)).result.findings
    assert judged.finding.at.line == 4


def test_the_verdict_counts_and_says_what_was_not_looked_at(lint: Lint) -> None:
    outcome = lint(TWICE, select=("KC00",))
    words = text_report.verdict(outcome.result, outcome.project)
    assert words.startswith("1 error: 0 services in 1 file, 6 rules")
    assert "need a project that Compose accepts" in words
    clean = lint("services: {a: {image: 'x:1'}}\n", select=("KC00",))
    assert text_report.verdict(clean.result, clean.project) == "clean: 1 service in 1 file, 9 rules"


def test_hostile_text_cannot_reach_the_terminal() -> None:
    assert plain("a\x1b[31mb\r\u202ec\td") == "a·[31mb··c d"


def test_a_very_long_line_is_cut_around_the_finding(tmp_path: Path) -> None:
    text = "x" * 5_000 + "BAD" + "y" * 5_000
    span = Span(tmp_path, 1, 5_001, 1, 5_004, 5_000, 5_003)
    lines = excerpt([Mark(span, "here", "", primary=True)], lambda _: [text], str)
    source, marks = ("".join(piece for piece, _ in line) for line in lines[2:4])
    assert len(source) < 200
    assert source[marks.index("^") : marks.index("^") + 3] == "BAD"
    assert marks.endswith("^^^ here")


def test_marks_in_another_file_get_a_block_of_their_own() -> None:
    a, b = Path("a.yml"), Path("b.yml")
    marks = [
        Mark(Span(b, 1, 1, 1, 2, 0, 1), "there", ""),
        Mark(Span(a, 2, 1, 2, 2, 2, 3), "here", "", primary=True),
    ]
    lines = ["".join(piece for piece, _ in line) for line in excerpt(marks, lambda path: [path.stem, "q"], str)]
    assert lines == [
        "  --> a.yml:2:1",
        "  |",
        "2 | q",
        "  | ^ here",
        "  ::: b.yml:1:1",
        "  |",
        "1 | b",
        "  | - there",
    ]


def test_json_has_the_documented_fields(lint: Lint) -> None:
    document = json.loads(formatted(lint(TWICE, select=("KC002",)), "json"))
    (finding,) = document["findings"]
    place = {key: finding[key] for key in ("path", "line", "column", "end_line", "end_column")}
    assert place == {"path": "docker-compose.yml", "line": 4, "column": 5, "end_line": 4, "end_column": 10}
    assert (finding["code"], finding["severity"], finding["service"]) == ("KC002", "error", "web")
    assert finding["related"][0] | {"end_line": 0, "end_column": 0} == {
        "path": "docker-compose.yml",
        "line": 3,
        "column": 5,
        "end_line": 0,
        "end_column": 0,
        "label": "first here",
    }
    assert document["summary"]["errors"] == 1


@pytest.mark.parametrize("text", [TWICE, OCTAL, "services: {a: {image: 'x:1'}}\n"])
def test_sarif_keeps_to_its_schema(text: str, lint: Lint) -> None:
    schema = json.loads((ROOT / "schemas" / "sarif-2.1.0.schema.json").read_text(encoding="utf-8"))
    policy = '[[ignore]]\nrule = "KC005"\nreason = "octal is meant"\n'
    log = json.loads(formatted(lint({"docker-compose.yml": text, "policy.toml": policy}), "sarif"))
    assert [error.message for error in jsonschema_rs.Draft4Validator(schema).iter_errors(log)] == []
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    assert bool([each for each in run["results"] if "suppressions" in each]) == (text == OCTAL)


def test_sarif_says_where_each_place_begins_and_ends(lint: Lint) -> None:
    """Columns count from 1, and endColumn is the one after the last character (SARIF 2.1.0, 3.30.8)."""
    log = json.loads(formatted(lint(TWICE, select=("KC002",)), "sarif"))
    (result,) = log["runs"][0]["results"]
    places = [result["locations"][0], result["relatedLocations"][0]]
    assert [place["physicalLocation"]["region"] for place in places] == [
        {"startLine": 4, "startColumn": 5, "endLine": 4, "endColumn": 10},
        {"startLine": 3, "startColumn": 5, "endLine": 3, "endColumn": 10},
    ]


def test_github_annotations_escape_what_would_end_them(lint: Lint) -> None:
    lines = formatted(lint(TWICE, select=("KC002",)), "github").splitlines()
    assert lines[0].startswith(
        "::error file=docker-compose.yml,line=4,endLine=4,title=KC002 duplicate-key,col=5,endColumn=10::'image'"
    )
    assert "%0A" in lines[0]
    assert len(lines) == 1


def test_junit_has_a_failure_for_each_finding_and_a_pass_for_each_silent_rule(lint: Lint) -> None:
    suite = ET.fromstring(formatted(lint(TWICE, select=("KC002",)), "junit"))  # noqa: S314 - our own output
    failures = suite.findall("testcase/failure")
    assert [case.attrib["message"] for case in failures] == ["'image' is written twice in services.web"]
    assert int(suite.attrib["tests"]) == len(suite.findall("testcase"))


def test_the_same_project_is_reported_the_same_way_twice(lint: Lint) -> None:
    text = "services:\n" + "".join(
        f"  s{n}:\n    image: x:1\n    environment:\n      B: 010\n      A: 011\n" for n in range(5)
    )
    first, second = (formatted(lint(text), "json") for _ in range(2))
    assert first == second
    lines = [finding["line"] for finding in json.loads(first)["findings"]]
    assert lines == sorted(lines)


def test_a_fix_changes_only_what_it_must(lint: Lint) -> None:
    outcome = lint(OCTAL, select=("KC005",))
    (change,) = fix.plan(outcome.result, outcome.project)
    assert change.after == OCTAL.replace("010", '"010"')
    assert '-      A: 010 # eight\n+      A: "010" # eight\n' in fix.diff(change, "docker-compose.yml")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("services: {a: {imgae: 'x:1'}}\n", "services: {a: {image: 'x:1'}}\n"),
        (
            "services:\n  a:\n    image: x:1\n    enviroment: {A: b}\n",
            "services:\n  a:\n    image: x:1\n    environment: {A: b}\n",
        ),
        ("services: {a: {image: 'x:1', imag: y}}\n", None),  # which of the two was meant?
        ("services: {a: {image: 'x:1', volume: [y]}}\n", "services: {a: {image: 'x:1', volumes: [y]}}\n"),
        ("services: {a: {image: 'x:1', restrat_always: y}}\n", None),
    ],
)
def test_a_key_with_one_slip_is_put_right(before: str, after: str | None, lint: Lint) -> None:
    outcome = lint(before, select=("KC003",))
    assert len(outcome.result.findings) == 1
    assert [change.after for change in fix.plan(outcome.result, outcome.project)] == [after] * (after is not None)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("KAFKA_ADVERTSED_LISTENERS", "KAFKA_ADVERTISED_LISTENERS"),
        ("KAFKA_LOG_DRIS", "KAFKA_LOG_DIRS"),
        ("KAFKA_NUM_PARTITIONSS", "KAFKA_NUM_PARTITIONS"),
        ("KAFKA_DEFAULT_REPLICATION", None),
    ],
)
@pytest.mark.parametrize("entry", ["{}: x", "- {}=x", '- "{}=x"'])
def test_a_property_with_one_slip_is_put_right(wrong: str, right: str | None, entry: str, lint: Lint) -> None:
    node = ["KAFKA_NODE_ID", "KAFKA_PROCESS_ROLES"]
    lines = "".join(f"      {entry.format(name)}\n" for name in (*node, wrong))
    text = f"services:\n  k:\n    image: apache/kafka:4.1.0\n    environment:\n{lines}"
    outcome = lint(text, select=("KC006",))
    changes = [change.after for change in fix.plan(outcome.result, outcome.project)]
    assert changes == ([text.replace(wrong, right)] if right else [])


def test_a_comment_that_hides_nothing_is_taken_out(lint: Lint) -> None:
    text = "services:\n  a:\n    image: x:1.2.3{}\n    restart: always{}\n"
    comments = ("  # kafka-lint: ignore KC002 not any more", "  # kafka-lint: ignore KC001, KC002 not any more")
    outcome = lint(text.format(*comments), select=("KC0",))
    (change,) = fix.plan(outcome.result, outcome.project)
    assert change.after == text.format("", comments[1])


def test_sarif_names_its_version_its_pages_and_each_result(lint: Lint) -> None:
    text = "services:\n  a: {image: 'x:1', environment: {A: '${T}${T}'}}\n"
    before, moved = (
        json.loads(formatted(lint(each, select=("KC303", "KC401")), "sarif"))["runs"][0]
        for each in (text, "# a comment\n\n" + text)
    )
    driver = before["tool"]["driver"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", driver["version"])
    assert all(rule["helpUri"].startswith("https://") for rule in driver["rules"])
    prints = [result["partialFingerprints"] for result in before["results"]]
    assert len({each["identity/v1"] for each in prints}) == len(prints) == 2
    assert prints == [result["partialFingerprints"] for result in moved["results"]]


def test_the_task_tells_findings_by_its_exit_code(write: Write) -> None:
    folder = write({"docker-compose.yml": TWICE})
    done = invoke("lint", "--project", str(folder), "--format", "json")
    assert done.returncode == 1
    assert [finding["code"] for finding in json.loads(done.stdout)["findings"]] == ["KC002"]
    assert done.stderr.startswith("1 error: ")
    assert invoke("lint", "--project", str(folder), "--skip", "KC").returncode == 3
    assert invoke("lint", "--project", str(folder), "--format", "pdf").returncode == 2
    assert invoke("lint", "--project", str(folder / "gone")).returncode == 2
    write({"docker-compose.yml": ""})
    assert invoke("lint", "--project", str(folder)).returncode == 3


def test_inside_github_actions_the_lines_become_annotations(write: Write) -> None:
    folder = write({"docker-compose.yml": TWICE})
    done = invoke("lint", "--project", str(folder), GITHUB_ACTIONS="true")
    assert done.stdout.startswith("::error file=")


def test_colour_is_used_only_where_it_is_wanted(write: Write) -> None:
    folder = write({"docker-compose.yml": TWICE})
    assert "\x1b[" not in invoke("lint", "--project", str(folder)).stdout
    assert "\x1b[" in invoke("lint", "--project", str(folder), FORCE_COLOR="1").stdout
    assert "\x1b[31" not in invoke("lint", "--project", str(folder), FORCE_COLOR="1", NO_COLOR="1").stdout


def test_fix_shows_a_diff_first_and_writes_when_asked(write: Write) -> None:
    file = write({"docker-compose.yml": OCTAL}) / "docker-compose.yml"
    shown = invoke("lint", "--project", str(file), "--select", "KC005", "--fix")
    assert '+      A: "010" # eight' in shown.stdout
    assert file.read_text(encoding="utf-8") == OCTAL
    invoke("lint", "--project", str(file), "--select", "KC005", "--fix", "--write")
    assert file.read_text(encoding="utf-8") == OCTAL.replace("010", '"010"')
    assert invoke("lint", "--project", str(file), "--select", "KC005").returncode == 0


def test_explain_takes_a_code_or_a_name() -> None:
    assert invoke("explain", "KC002").stdout.startswith("KC002 duplicate-key (error)\n")
    assert invoke("explain", "duplicate-key").stdout == invoke("explain", "KC002").stdout
    assert len(invoke("rules").stdout.splitlines()) > 10
    assert invoke("explain", "KC999").returncode == 2


def test_this_repository_is_clean() -> None:
    done = invoke("lint")
    assert (done.returncode, done.stdout) == (0, "")
