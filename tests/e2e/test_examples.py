"""The programs of docs/clients.md, as they are printed, against a real stack: each sends an event and reads it back."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from backbone.stack.engine.embedded import artifacts, jre, plugin_source
from backbone.stack.settings import Settings
from tests import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.checkout import Checkout

PAGE = (ROOT / "docs/clients.md").read_text(encoding="utf-8")
INTRODUCTION, *SECTIONS = re.split(r"(?m)^## ", PAGE)
PROGRAMS = {section.partition("\n")[0]: section for section in SECTIONS if "Save " in section}
TIMEOUT_S = 400  # the first run of Go compiles its standard library


def block(text: str, language: str) -> str:
    """Return the one code block of a language."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    return str(found)


def save(section: str, folder: Path) -> Path:
    """Write a section's program under the name that the page gives it."""
    (name,) = re.findall(r"[Ss]ave (?:this )?as `(\S+)`", section)
    (code,) = re.findall(r"```(?:python|java|js|go)\n(.*?)```", section, re.DOTALL)
    folder.mkdir(exist_ok=True)
    program = folder / str(name)
    program.write_text(code, encoding="utf-8")
    return program


def received(stack: Checkout, script: str) -> list[str]:
    """Run the page's commands from the root of the checkout and return what the program says it has received."""
    words = script.replace("./invoke", f"{sys.executable} -m invoke")
    done = subprocess.run(
        ["sh", "-euc", words],
        cwd=stack.root,
        env=stack.env,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
    return [line for line in done.stdout.splitlines() if line.startswith("received")]


@pytest.mark.parametrize("name", sorted(PROGRAMS.keys() - {"Java"}))
def test_the_program_runs_as_printed(data_stack: Checkout, name: str) -> None:
    section = PROGRAMS[name]
    save(section, data_stack.root / "my-service")
    assert len(received(data_stack, block(INTRODUCTION, "sh") + block(section, "sh"))) == 1


def test_the_java_program_runs_with_the_libraries_that_the_page_names(data_stack: Checkout) -> None:
    """A build tool is the reader's own: here the locked compiler and the packaged Java take its place."""
    section = PROGRAMS["Java"]
    source = save(section, data_stack.root / "my-service")
    settings = Settings(environ=data_stack.env)
    lock = artifacts.read_lock(ROOT / "infra/artifacts.lock.json")
    libraries = [*lock["connect"], *lock["connect-avro"]]
    named = {line.rpartition(":")[::2] for line in block(section, "text").split()}
    assert named <= {(each.library, each.coordinate.rpartition(":")[2]) for each in libraries}
    jars = artifacts.ensure([*libraries, *lock["java-compiler"]], settings.cache_dir, lambda *_: nullcontext(id))
    classpath = ":".join(map(str, (*jars, source.parent)))
    java = str(jre.java())
    compiled = [java, "-jar", str(jars[-1]), *plugin_source.OPTIONS, "-cp", classpath, str(source)]
    subprocess.run(compiled, check=True, timeout=TIMEOUT_S)
    script = f"{block(INTRODUCTION, 'sh')}\n{java} -cp {classpath} {source.stem}"
    assert len(received(data_stack, script)) == 1
