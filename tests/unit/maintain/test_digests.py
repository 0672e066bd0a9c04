"""Each image that is pulled gets its digest, from an engine that answers as Docker's API does."""

from __future__ import annotations

import json
import re
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from backbone.errors import StackError
from backbone.source import env_file
from backbone.stack import compose
from backbone.stack.settings import Settings
from scripts.maintain import digests
from tests import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DIGEST = "sha256:" + "0" * 63
UNKNOWN = "rabbitmq:no-such"


class Engine(BaseHTTPRequestHandler):
    """What of Docker's API is asked: version, and the descriptor of an image's index."""

    def do_GET(self) -> None:
        image = re.fullmatch(r"/v[\d.]+/distribution/(.+)/json", self.path)
        known = not image or image[1] != UNKNOWN
        body = {"Descriptor": {"digest": DIGEST + "1", "size": 1}} if image else {"ApiVersion": "1.44"}
        content = json.dumps(body if known else {"message": "manifest unknown"}).encode()
        self.send_response(200 if known else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Settings]:
    shutil.copytree(ROOT / "infra", tmp_path / "infra")
    for name in (".env.example", "docker-compose.yml"):
        shutil.copy(ROOT / name, tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), Engine) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Settings(tmp_path, {"DOCKER_HOST": f"tcp://127.0.0.1:{server.server_port}"})
        server.shutdown()


def test_every_image_that_is_pulled_has_its_digest(home: Settings) -> None:
    made = digests.pin(home)
    assert made["SCHEMA_REGISTRY_VERSION"] == f"3.3.3@{DIGEST}1"
    assert made["KAFKA_REST_IMAGE"] == f"quay.io/strimzi/kafka-bridge:1.1.0@{DIGEST}1"
    written = env_file.read(home.env_file, {})
    assert made.items() <= written.items()
    for name, service in compose.load(home, ["*"]).services.items():
        assert service.image.startswith("messaging-backbone/") or service.image.endswith(f"@{DIGEST}1"), name
    # Once more: a digest is renewed, none comes after another.
    assert digests.pin(home) == made


def test_a_tag_that_no_registry_has_is_named_and_nothing_is_written(home: Settings) -> None:
    home.env_file.write_text("RABBITMQ_VERSION=no-such\n", encoding="utf-8")
    with pytest.raises(StackError, match=UNKNOWN) as refused:
        digests.pin(home)
    assert (refused.value.reference, refused.value.context) == ("digest-unknown", "manifest unknown")
    assert home.env_file.read_text(encoding="utf-8") == "RABBITMQ_VERSION=no-such\n"
