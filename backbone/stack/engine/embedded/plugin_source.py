"""Java classes that come as source: compiled once into the user's cache, by the locked compiler."""

from __future__ import annotations

import hashlib
import shlex
import shutil
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from backbone.errors import ExitCode, StackError
from backbone.stack.engine.embedded import jre, seals, setup_program

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_TIMEOUT_S = 180
# ecj is a compiler that needs no JDK: the packaged runtime has none. Java 17 is what Connect itself asks for.
OPTIONS = ("-source", "17", "-target", "17", "-nowarn", "-proc:none")


@dataclass(frozen=True, slots=True)
class JavaSource:
    """Source files, and the service entries of those that are plugins (KIP-898): interface → class."""

    files: tuple[Path, ...]
    services: Mapping[str, str] = field(default_factory=dict)


def jar(source: JavaSource, *, compiler: Path, classpath: Sequence[Path], cache: Path, root: Path = Path()) -> Path:
    """Return the jar of source files (relative to a root) and their service entries, made by whoever comes first.

    Raises StackError("plugin-source") with the compiler's words.
    """
    sources = [root / file for file in source.files]
    inputs = hashlib.sha256(repr(sorted(source.services.items())).encode())
    for file in sources:
        inputs.update(file.read_bytes())
    for path in (compiler, *classpath):
        inputs.update(path.name.encode())
    name = f"{sources[0].stem}-{inputs.hexdigest()[:16]}"

    def make(folder: Path) -> None:
        classes = folder / "classes"  # in there, so that nothing is left of a task that is killed
        classes.mkdir(parents=True)
        _compile(sources, compiler, classpath, classes)
        _pack(classes, source.services, folder / f"{name}.jar")
        shutil.rmtree(classes)

    return seals.sealed(cache / "plugins" / name, make) / f"{name}.jar"


def _compile(sources: Sequence[Path], compiler: Path, classpath: Iterable[Path], classes: Path) -> None:
    argv = [str(jre.java()), "-XX:TieredStopAtLevel=1", "-jar", str(compiler), *OPTIONS]
    argv += ["-cp", ":".join(map(str, classpath)), "-d", str(classes), *map(str, sources)]
    names = ", ".join(source.name for source in sources)
    done = setup_program.run(argv, reference="plugin-source", undone=f"{names} was not compiled", timeout=_TIMEOUT_S)
    if done.returncode != 0:
        raise StackError(
            "plugin-source",
            f"{names} cannot be compiled",
            context=(done.stdout + done.stderr).strip()[-2000:],
            hint=f"git diff -- {shlex.join(map(str, sources))}",
            exit_code=ExitCode.ENVIRONMENT,
        )


def _pack(classes: Path, services: Mapping[str, str], target: Path) -> None:
    with zipfile.ZipFile(target, "w") as archive:
        for interface, name in services.items():
            archive.writestr(f"META-INF/services/{interface}", name + "\n")
        for path in sorted(classes.rglob("*.class")):
            archive.write(path, path.relative_to(classes).as_posix())
