"""Alerts and dashboard as PrometheusRule and ConfigMap, and the PodMonitor that gives metrics their labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from backbone.strimzi.manifest import Manifest
from backbone.strimzi.topics import metadata

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ALERTS = Path("infra", "06-observability", "prometheus", "alerts.yml")
DASHBOARDS = Path("infra", "06-observability", "grafana", "dashboards")
_API = "monitoring.coreos.com/v1"
_GROUP = "kafka"
"""The group of rules that hold for a cluster wherever it runs."""


def manifests(cluster: str, alerts: str, dashboards: Mapping[str, str]) -> Iterator[Manifest]:
    """Yield what Prometheus' operator and Grafana's side-car take. alerts, dashboards: the stack's own files."""
    yield _pod_monitor(cluster)
    groups = [group for group in yaml.safe_load(alerts)["groups"] if group["name"] == _GROUP]
    yield Manifest(
        "monitoring/prometheus-rule.yaml",
        {
            "apiVersion": _API,
            "kind": "PrometheusRule",
            "metadata": metadata("kafka-alerts", cluster),
            "spec": {"groups": groups},
        },
        {
            (): f"The group {_GROUP} of {ALERTS.as_posix()} as it is: the PodMonitor gives the labels it asks for. "
            "The kubelet tells of volumes (kubelet_volume_stats_available_bytes), the operator renews certificates."
        },
    )
    labels = {"labels": {"grafana_dashboard": "1"}}
    yield Manifest(
        "monitoring/dashboards.yaml",
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata("kafka-dashboards") | labels,
            "data": dict(sorted(dashboards.items())),
        },
        {(): f"{DASHBOARDS.as_posix()} as it is; Grafana's side-car finds it by its label."},
    )


def _pod_monitor(cluster: str) -> Manifest:
    jobs = {"Kafka": "kafka", "KafkaConnect": "kafka-connect"}
    name_label = "__meta_kubernetes_pod_label_strimzi_io_"
    relabelings: list[dict[str, Any]] = [
        {"sourceLabels": [f"{name_label}kind"], "regex": kind, "targetLabel": "job", "replacement": job}
        for kind, job in jobs.items()
    ]
    exporter = {"sourceLabels": [f"{name_label}name"], "regex": f"{cluster}-kafka-exporter"}
    relabelings += [
        {**exporter, "targetLabel": "job", "replacement": "kafka-exporter"},
        {"sourceLabels": ["__meta_kubernetes_pod_name"], "targetLabel": "broker"},
    ]
    spec = {
        "selector": {"matchExpressions": [{"key": "strimzi.io/kind", "operator": "In", "values": list(jobs)}]},
        "podMetricsEndpoints": [{"port": "tcp-prometheus", "path": "/metrics", "relabelings": relabelings}],
    }
    return Manifest(
        "monitoring/pod-monitor.yaml",
        {"apiVersion": _API, "kind": "PodMonitor", "metadata": metadata("kafka", cluster), "spec": spec},
        {(): "Scrapes brokers, exporter and Connect; `job` and `broker` are called as in prometheus.yml of the stack."},
    )
