"""How each kind of service runs without Docker; a service names its kind with `x-embedded: {runtime: KIND}`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backbone.stack.engine.embedded.runtimes import kafka, kafka_connect, postgres, schema_registry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backbone.stack.engine.embedded.local_service import Runtime

RUNTIMES: Mapping[str, Runtime] = {
    "kafka": kafka.RUNTIME,
    "kafka-connect": kafka_connect.RUNTIME,
    "postgres": postgres.RUNTIME,
    "schema-registry": schema_registry.RUNTIME,
}
