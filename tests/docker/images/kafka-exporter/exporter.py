"""Tells consumer lag as kafka-exporter does: its port, the flags that the Compose file gives it, its metric."""

from __future__ import annotations

import argparse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from backbone.web.cluster import Cluster
from backbone.web.figures import Asked

if TYPE_CHECKING:
    from backbone.web.figures import Figure

PORT = 9308
METRIC = "kafka_consumergroup_lag"
TRIES = 3


def told(source: Asked) -> list[Figure]:
    """Return the lag of every group; a cluster that is slow to answer is asked again, for a gap would end alerts."""
    for _ in range(TRIES):
        if found := [each for each in source.read([METRIC]) if each.name == METRIC]:
            return found
    return []


def text(figures: list[Figure]) -> str:
    """Return figures in Prometheus' text format."""
    lines = [f"# TYPE {METRIC} gauge"]
    for each in figures:
        labels = ",".join(f'{key}="{value}"' for key, value in each.labels.items())
        lines.append(f"{each.name}{{{labels}}} {each.value:.0f}")
    return "\n".join(lines) + "\n"


def serve(servers: list[str]) -> None:
    """Answer on the exporter's port for ever."""
    source = Asked(Cluster(servers), None, every=1)

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = (text(told(source)) if self.path == "/metrics" else "kafka lag\n").encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing of each scrape."""

    ThreadingHTTPServer(("", PORT), Answers).serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--kafka.server", action="append", dest="servers", required=True)
    parser.add_argument("--refresh.metadata")
    serve(parser.parse_args().servers)
