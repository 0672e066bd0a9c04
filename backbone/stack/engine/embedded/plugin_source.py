"""A Java class that comes as source: compiled once into the user's cache, by the locked compiler."""

from __future__ import annotations

import hashlib
import shlex
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from backbone.errors import ExitCode, StackError
from backbone.stack.engine.embedded import jre

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_TIMEOUT_S = 180
# ecj is a compiler that needs no JDK: the packaged runtime has none. Java 17 is what Connect itself asks for.
OPTIONS = ("-source", "17", "-target", "17", "-nowarn", "-proc:none")
SERVICE = "META-INF/services/org.apache.kafka.connect.sink.SinkConnector"


def jar(source: Path, plugin: str = "", *, compiler: Path, classpath: Sequence[Path], cache: Path) -> Path:
    """Return the jar of one source file, made by whoever comes first.

    plugin: the class of it that is a Connect sink; it gets the service entry that Connect looks for (KIP-898).

    Raises StackError("plugin-source") with the compiler's words.
    """
    inputs = hashlib.sha256(source.read_bytes())
    for path in (compiler, *classpath):
        inputs.update(path.name.encode())
    final = cache / "plugins" / f"{source.stem}-{inputs.hexdigest()[:16]}.jar"
    if final.exists():
        return final
    final.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(final.with_suffix(".lock")), tempfile.TemporaryDirectory(dir=final.parent) as folder:
        if not final.exists():
            classes = Path(folder, "classes")
            _compile(source, compiler, classpath, classes)
            _pack(classes, plugin, Path(folder, "plugin.jar")).rename(final)
    return final


def _compile(source: Path, compiler: Path, classpath: Iterable[Path], classes: Path) -> None:
    argv = [str(jre.java()), "-XX:TieredStopAtLevel=1", "-jar", str(compiler), *OPTIONS]
    argv += ["-cp", ":".join(map(str, classpath)), "-d", str(classes), str(source)]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise StackError(
            "plugin-source",
            f"{source.name} was not compiled after {_TIMEOUT_S} s; the machine is very busy",
            hint="again, when the machine is less busy\n./invoke up",
            exit_code=ExitCode.TIMEOUT,
        ) from error
    if done.returncode != 0:
        shutil.rmtree(classes, ignore_errors=True)
        raise StackError(
            "plugin-source",
            f"{source.name} cannot be compiled",
            context=(done.stdout + done.stderr).strip()[-2000:],
            hint=f"git diff -- {shlex.quote(str(source))}",
            exit_code=ExitCode.ENVIRONMENT,
        )


def _pack(classes: Path, plugin: str, target: Path) -> Path:
    with zipfile.ZipFile(target, "w") as archive:
        if plugin:
            archive.writestr(SERVICE, plugin + "\n")
        for path in sorted(classes.rglob("*.class")):
            archive.write(path, path.relative_to(classes).as_posix())
    return target
