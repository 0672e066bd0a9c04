"""A certificate near its end, on the stack of `e2e-docker-secure`: told by Prometheus, until another one is shown."""

from __future__ import annotations

import contextlib
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509

from backbone.security import certificates
from backbone.source import env_file
from backbone.wait import wait_until
from tests.docker import prometheus, test_secure
from tests.docker.test_secure import SERVICES, UP_TIMEOUT_S, plain_compose

if TYPE_CHECKING:
    from collections.abc import Callable

    from backbone.security.layout import Secrets
    from tests.e2e.checkout import Checkout

DAY_S = 86_400
ALERT = "CertificateEndsSoon"
TOLD_S = 2 * 60 + 120 + 30  # two looks, one each minute, `for`, and a machine that is busy

secure = test_secure.secure
secrets = test_secure.secrets


def test_a_certificate_near_its_end_is_told_until_another_is_shown(secure: Checkout, secrets: Secrets) -> None:
    """One as old as all but ten of its days; a node shows what it has read at its start."""
    plain_compose(secure, "up", "--detach", "--wait", "prometheus", "blackbox-exporter")
    own = env_file.read(secure.root / ".env", {})
    stack, port = Watched(own["PROMETHEUS_PORT"]), int(own["KAFKA_2_EXTERNAL_PORT"])

    def shown() -> int | None:
        with contextlib.suppress(OSError):  # it starts
            pem = ssl.get_server_certificate(("127.0.0.1", port), timeout=5)
            return x509.load_pem_x509_certificate(pem.encode()).serial_number
        return None

    def told_of(now: float, wanted: set[str]) -> None:
        # Its file stays: the group that lets the container in comes from the one-shot, which would make another one.
        file, kept = secrets.keystore("kafka-2"), secrets.folder / "kept.pem"
        kept.hardlink_to(file)
        made = certificates.renew(secrets.folder, "kafka-2", now=now)
        kept.write_bytes(file.read_bytes())
        kept.replace(file)
        plain_compose(secure, "restart", "kafka-2")
        wait_until(lambda: shown() == made.serial, what="kafka-2 to show it", timeout=UP_TIMEOUT_S, interval=1)
        awaited(stack, lambda: told(stack) == wanted, f"{ALERT} to be that of {wanted or 'nobody'}")

    awaited(stack, lambda: set(expiry(stack)) == set(SERVICES[:3]), "the certificate of each node")
    assert told(stack) == set()
    told_of(time.time() - (certificates.DAYS - 10) * DAY_S, {"kafka-2"})
    told_of(time.time(), set())


@dataclass(frozen=True)
class Watched:
    """Where Prometheus is. A Stack of the library would log this process in, and with it the tasks that it starts."""

    port: str

    @property
    def endpoints(self) -> dict[str, str]:
        return {"PROMETHEUS_URL": f"http://127.0.0.1:{self.port}/prometheus/"}


def awaited(stack: Watched, probe: Callable[[], bool], what: str) -> None:
    """Wait for as long as an alert may take."""
    wait_until(probe, what=what, timeout=TOLD_S, interval=1, last_seen=lambda: f"{told(stack)} {expiry(stack)}")


def expiry(stack: Watched) -> dict[str, float]:
    """Return until when each node's certificate is good, in seconds since 1970."""
    found = prometheus.query(stack, 'probe_ssl_earliest_cert_expiry{job="certificates"}')
    return {each["metric"]["broker"]: float(each["value"][1]) for each in found}


def told(stack: Watched) -> set[str]:
    """Return the nodes of which Prometheus says that their certificate ends soon."""
    return {each["broker"] for each in prometheus.firing(stack) if each["alertname"] == ALERT}
