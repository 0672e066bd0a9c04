"""What the runtimes of registry, Connect and PostgreSQL lay out and launch, from the real Compose blocks."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from backbone.errors import ExitCode, StackError
from backbone.stack import compose
from backbone.stack.engine.embedded import plugin_source, process
from backbone.stack.engine.embedded.local_service import LocalService
from backbone.stack.engine.embedded.runtimes import kafka_connect, postgres, schema_registry
from backbone.stack.engine.embedded.unpack import unpack
from backbone.stack.settings import Settings
from backbone.wait import wait_until
from tests import ROOT
from tests.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Sequence

_ENVIRON = {"PATH": "/usr/bin:/bin", "BIND_ADDRESS": "127.0.0.1"}


def archive(path: Path, *names: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for name in names:
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    return path


REGISTRY = (
    *("quarkus-run.jar", "lib/boot/runner.jar", "lib/main/a.jar", "lib/main/b.jar", "app/registry.jar"),
    *("quarkus/generated-bytecode.jar", "quarkus/transformed-bytecode.jar"),
)


def make_site(tmp_path: Path, service: str, **environ: str) -> LocalService:
    settings = Settings(
        ROOT,
        {
            **_ENVIRON,
            "DEFAULT_DATA_DIR": str(tmp_path / "data"),
            "SECRETS_DIR": str(tmp_path / "secrets"),
            **environ,
        },
    )
    jars = {
        "schema-registry": [archive(tmp_path / "jars/registry-1-all.tar.gz", *REGISTRY)],
        "connect-jdbc": [archive(tmp_path / "jars/jdbc-1-plugin.tar.gz", "debezium-connector-jdbc/a.jar")],
        "connect-postgres": [archive(tmp_path / "jars/pg-1-plugin.tar.gz", "debezium-connector-postgres/b.jar")],
        "connect-avro": [tmp_path / "jars" / name for name in ("avro-1.12.0.jar", "converter-1.jar")],
        "connect": [tmp_path / "jars/connect-runtime.jar"],
        "java-compiler": [tmp_path / "jars/ecj-1.jar"],
    }
    for jar in (*jars["connect-avro"], *jars["connect"]):
        jar.touch()
    home = tmp_path / "home" / service
    home.mkdir(parents=True)
    model = compose.load(settings, ["messaging", "data"])
    return LocalService(model[service], home, {}, tmp_path / "cache", jars.__getitem__, ROOT)


@pytest.fixture(autouse=True)
def compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiler that knows no Java: it makes one class of whatever it is given."""
    real = subprocess.run

    def run(argv: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        if "-jar" not in argv:
            return real(argv, **options)
        source, classes = Path(argv[-1]), Path(argv[argv.index("-d") + 1])
        if source.read_text() == "broken":
            return subprocess.CompletedProcess(argv, 1, "", f"ERROR in {source.name} (at line 1)")
        (classes / "backbone").mkdir(parents=True)
        (classes / "backbone/Made.class").write_bytes(b"made")
        return subprocess.CompletedProcess(argv, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)


def test_our_sink_lies_beside_the_one_it_extends(tmp_path: Path) -> None:
    local = make_site(tmp_path, "kafka-connect")
    kafka_connect.launch(local)
    (made,) = (local.home / "plugins/debezium-connector-jdbc").glob("ArchiveSink-*.jar")
    with zipfile.ZipFile(made) as jar:
        services = "META-INF/services/org.apache.kafka.connect.sink.SinkConnector"
        assert jar.read(services).decode().split() == ["backbone.connect.ArchiveSink"]
        assert jar.read("backbone/Made.class") == b"made"
    before = made.resolve()
    kafka_connect.launch(local)
    (again,) = (local.home / "plugins/debezium-connector-jdbc").glob("ArchiveSink-*.jar")
    assert again.resolve() == before


def test_a_source_is_compiled_anew_when_it_changes_and_its_errors_are_told(tmp_path: Path) -> None:
    source = tmp_path / "Sink.java"
    plugin = plugin_source.JavaSource((Path("Sink.java"),), {"an.Interface": "a.Sink"})

    def made() -> Path:
        return plugin_source.jar(
            plugin, compiler=tmp_path / "ecj.jar", classpath=[], cache=tmp_path / "cache", root=tmp_path
        )

    source.write_text("one")
    first = made()
    source.write_text("two")
    assert made() != first
    source.write_text("broken")
    with pytest.raises(StackError, match="cannot be compiled") as error:
        made()
    assert "at line 1" in str(error.value.context)
    assert not list((tmp_path / "cache").rglob("*.class"))


def test_connects_folder_has_the_containers_names(tmp_path: Path) -> None:
    local = make_site(tmp_path, "kafka-connect", KAFKA_CONNECT_PORT="18083")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/postgres_password").write_text("p")
    launch = kafka_connect.launch(local)
    assert sorted(path.name for path in (local.home / "plugins").iterdir()) == [
        "apicurio-converter",
        "backbone-worker",
        "debezium-connector-jdbc",
        "debezium-connector-postgres",
    ]
    assert (local.home / "plugins/debezium-connector-jdbc/a.jar").is_file()
    assert (local.home / "secrets/postgres_password").read_text() == "p"
    assert launch.argv[-2] == "org.apache.kafka.connect.cli.ConnectDistributed"
    assert Path(launch.argv[-1]).is_file()
    assert launch.env["CONNECT_LISTENERS"] == "http://127.0.0.1:18083"
    assert kafka_connect.endpoint(local) == "http://127.0.0.1:18083/health"


def test_the_workers_user_is_made_once_and_is_in_no_argument_and_no_variable(tmp_path: Path) -> None:
    local = make_site(tmp_path, "kafka-connect")
    launch = kafka_connect.launch(local)
    user, _, password = (tmp_path / "secrets/connect/user").read_text().partition(":")
    assert user == "connect"
    assert len(password) >= 24
    assert password not in " ".join((*launch.argv, *launch.env.values()))
    assert "-Djava.security.auth.login.config=jaas.conf" in launch.argv
    assert 'file="secrets/connect/user"' in (local.home / "jaas.conf").read_text()
    kafka_connect.launch(local)
    assert kafka_connect.user_file(local).read_text() == f"connect:{password}"


def test_the_switch_opens_the_worker_to_local_accounts_but_to_no_web_page(tmp_path: Path) -> None:
    extensions = "CONNECT_REST_EXTENSION_CLASSES"
    closed = kafka_connect.launch(make_site(tmp_path / "a", "kafka-connect")).env[extensions].split(",")
    opened = kafka_connect.launch(make_site(tmp_path / "b", "kafka-connect", KAFKA_CONNECT_REST="open"))
    assert [name.rpartition(".")[2] for name in closed] == ["HostGuard", "BasicAuthSecurityRestExtension"]
    assert opened.env[extensions] == "backbone.connect.HostGuard"


def test_the_converter_gets_a_service_entry(tmp_path: Path) -> None:
    local = make_site(tmp_path, "kafka-connect")
    kafka_connect.launch(local)
    folder = local.home / "plugins/apicurio-converter"
    assert sorted(path.name for path in folder.iterdir()) == ["avro-1.12.0.jar", "converter-1.jar", "services.jar"]
    with zipfile.ZipFile(folder / "services.jar") as services:
        (name,) = services.namelist()
        assert services.read(name).decode().strip().endswith(".AvroConverter")


def test_a_second_launch_leaves_nothing_of_an_older_lock(tmp_path: Path) -> None:
    local = make_site(tmp_path, "kafka-connect")
    kafka_connect.launch(local)
    (local.home / "plugins/old-plugin").mkdir()
    kafka_connect.launch(local)
    assert not (local.home / "plugins/old-plugin").exists()


def test_the_registry_listens_on_loopback_only_and_logs_into_one_bounded_file(tmp_path: Path) -> None:
    local = make_site(
        tmp_path, "schema-registry", SCHEMA_REGISTRY_PORT="18081", SCHEMA_REGISTRY_MANAGEMENT_PORT="18091"
    )
    launch = schema_registry.launch(local)
    assert launch.env["QUARKUS_HTTP_HOST"] == launch.env["QUARKUS_MANAGEMENT_HOST"] == "127.0.0.1"
    assert local.home / launch.env["QUARKUS_LOG_FILE_PATH"] == local.log_file
    assert launch.env["QUARKUS_LOG_FILE_ROTATION_MAX_FILE_SIZE"] == "10M"
    assert "JAVA_OPTS_APPEND" not in launch.env
    assert "-Xmx384m" in launch.argv
    assert {"--add-opens=java.base/java.lang=ALL-UNNAMED", "--enable-native-access=ALL-UNNAMED"} <= {*launch.argv}
    assert schema_registry.endpoint(local) == "http://127.0.0.1:18091/health/ready"


def test_the_registrys_jars_are_on_the_class_path_what_was_transformed_before_its_original(tmp_path: Path) -> None:
    launch = schema_registry.launch(make_site(tmp_path, "schema-registry"))
    names = [Path(jar).name for jar in launch.argv[launch.argv.index("-cp") + 1].split(":")]
    assert launch.argv[-1] == "io.quarkus.runner.GeneratedMain"
    assert names == [
        *("transformed-bytecode.jar", "generated-bytecode.jar"),
        *("registry.jar", "a.jar", "b.jar", "runner.jar"),
    ]


def test_too_many_jars_for_a_command_line_are_left_to_quarkus_own_loader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema_registry, "_LONGEST", 100)
    launch = schema_registry.launch(make_site(tmp_path, "schema-registry"))
    assert launch.argv[launch.argv.index("-cp") + 1].endswith("/quarkus-run.jar")
    assert launch.argv[-1] == "io.quarkus.bootstrap.runner.QuarkusEntryPoint"


def test_who_writes_to_the_registry_is_in_a_file_that_it_reads_and_in_no_variable(tmp_path: Path) -> None:
    below = tmp_path / "with a blank, and a comma"
    launch = schema_registry.launch(make_site(below, "schema-registry", KAFKA_SECURITY="secure"))
    file = below / "secrets" / "registry" / "user.properties"
    user, _, password = file.read_text(encoding="ascii").partition(":")
    assert (user, file.stat().st_mode & 0o777) == ("registry", 0o600)
    assert not [name for name, value in launch.env.items() if password in value]
    assert launch.env["SMALLRYE_CONFIG_LOCATIONS"] == file.as_uri()
    assert not set(launch.env["SMALLRYE_CONFIG_LOCATIONS"]) & {" ", ","}  # it is a list of URIs
    schema_registry.launch(make_site(tmp_path / "plain", "schema-registry"))
    assert not (tmp_path / "plain" / "secrets").exists()


@pytest.fixture(params=["this Python", "a Python before 3.11.4"])
def of_any_age(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take from tarfile what Debian 12's Python 3.11.2 lacks."""
    if request.param != "this Python":
        monkeypatch.delattr(tarfile, "data_filter", raising=False)


@pytest.mark.usefixtures("of_any_age")
def test_an_archive_is_unpacked_once_and_never_half(tmp_path: Path) -> None:
    good = archive(tmp_path / "tool-1.tar.gz", "bin/tool")
    folder = unpack(good, tmp_path / "cache")
    assert (folder / "bin/tool").is_file()
    good.write_bytes(b"gone")
    assert unpack(good, tmp_path / "cache") == folder
    (tmp_path / "bad-1.tar.gz").write_bytes(b"no archive")
    with pytest.raises(StackError, match="unpack-failed"):
        unpack(tmp_path / "bad-1.tar.gz", tmp_path / "cache")
    assert not (tmp_path / "cache/unpacked/bad-1").exists()


@pytest.mark.usefixtures("of_any_age")
def test_an_archive_that_reaches_outside_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="unpack-failed"):
        unpack(archive(tmp_path / "evil-1.tar.gz", "../escaped"), tmp_path / "cache")
    assert not (tmp_path / "cache/unpacked/escaped").exists()


def test_postgres_is_made_and_launched_on_loopback_with_the_compose_files_settings(tmp_path: Path) -> None:
    local = make_site(tmp_path, "postgres", POSTGRES_PORT="15432", POSTGRES_DB="d1")
    launch = postgres.launch(local)
    assert (tmp_path / "data/postgres/main/PG_VERSION").read_text().strip() == "18"
    assert not (tmp_path / "data/postgres/.password").exists()
    command = " ".join(launch.argv)
    assert "-p 15432 -c listen_addresses=127.0.0.1 -c unix_socket_directories=" in command
    assert "-c wal_level=logical" in command
    assert (launch.argv[0] == "unshare" or launch.argv[0] == "setpriv") == (os.geteuid() == 0)
    assert postgres.endpoint(local) == "tcp://127.0.0.1:15432"
    postgres.check(local)


def lock(pid: int, data: Path) -> str:
    """Return what a server writes into postmaster.pid."""
    return f"{pid}\n{data}\n1\n15432\n\n127.0.0.1\n        0         0\nready   \n"


def single(server: Sequence[str]) -> str:
    """Start the server for one user over its data, and return why it does not, "" if it does."""
    data = server[server.index("-D") + 1]
    alone = [*server[: server.index("-D")], "--single", "-D", data, "postgres"]
    done = subprocess.run(alone, input="", capture_output=True, text=True, check=False, cwd="/")
    return done.stderr if done.returncode else ""


@pytest.mark.parametrize("state", ["another program's", "not collected yet"])
def test_the_pid_of_a_killed_server_keeps_the_next_from_nothing(tmp_path: Path, state: str) -> None:
    local = make_site(tmp_path, "postgres", POSTGRES_PORT="15432")
    server = postgres.launch(local).argv
    data = Path(server[server.index("-D") + 1])
    program = tmp_path / ("postgres" if state == "not collected yet" else "sleep")
    program.symlink_to(shutil.which("sleep") or "")
    with subprocess.Popen([str(program), "60"]) as holder:  # after a power cut the pids are given anew
        (data / "postmaster.pid").write_text(lock(holder.pid, data), encoding="utf-8")
        try:
            if state == "not collected yet":
                holder.kill()
                wait_until(lambda: process.has_ended(psutil.Process(holder.pid)), what="its end", timeout=5)
            assert "already exists" in single(server)
            postgres.launch(local)
            assert single(server) == ""
        finally:
            holder.kill()


def test_a_backend_that_outlives_its_killed_server_keeps_the_next_from_nothing(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    local = make_site(tmp_path, "postgres", POSTGRES_PORT=str(port))
    launch = postgres.launch(local)
    password = (tmp_path / "secrets" / "postgres_password").read_text()
    client = [str(postgres.packaged_client()), "-h", "127.0.0.1", "-p", str(port), "-U", "backbone", "-c"]
    asked = {**launch.env, "PGPASSWORD": password.strip(), "PGDATABASE": "events"}
    with subprocess.Popen(launch.argv, env=dict(launch.env), cwd="/", stderr=subprocess.DEVNULL) as server:
        try:
            can = [*client, "select 1"]
            wait_until(
                lambda: subprocess.run(can, env=asked, capture_output=True, check=False).returncode == 0,
                what="PostgreSQL",
                timeout=30,
            )
            busy = [*client, "do $$ begin loop end loop; end $$"]
            with subprocess.Popen(busy, env=asked, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as query:
                backends = psutil.Process(server.pid).children
                wait_until(
                    lambda: any(" DO" in " ".join(process.arguments(each)) for each in backends()),
                    what="the query",
                    timeout=30,
                )
                server.kill()
                server.wait()
                assert "still in use" in single(launch.argv)
                postgres.launch(local)
                assert single(launch.argv) == ""
                query.wait()
        finally:
            server.kill()


def test_data_of_another_major_version_is_refused_before_anything_starts(tmp_path: Path) -> None:
    local = make_site(tmp_path, "postgres")
    folder = tmp_path / "data/postgres/main"
    folder.mkdir(parents=True)
    (folder / "PG_VERSION").write_text("16\n")
    with pytest.raises(StackError, match="foreign-data") as caught:
        postgres.check(local)
    assert "POSTGRES_VERSION to 16.x" in (caught.value.hint or "")


def test_a_version_without_binaries_lists_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="postgres-version") as caught:
        postgres.binary(make_site(tmp_path, "postgres", POSTGRES_VERSION="12.1"), "postgres")
    assert (caught.value.context, caught.value.exit_code) == ("packaged: 16, 18", ExitCode.USAGE)
