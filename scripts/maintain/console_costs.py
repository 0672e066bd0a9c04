"""What the console costs: time of each page, memory and processor at rest by topics; memory after a day, loaded."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psutil
import requests
from confluent_kafka import Producer

from backbone import clients
from backbone.stack import groups
from scripts.maintain import ROOT, processes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PAGES = ("", "topics", "groups", "topics/growth-0", "groups/growth-0", "metrics", "alerts")
_PARTITIONS = 3
_GROUPS = 10  # one for so many topics, which it reads
_LOOKS, _STALE_S = 3, 5.0  # a look holds 4 s at most: after 5 s each page asks the cluster again
_REST_S = 60.0
_LIMIT_S = 600.0
_LOADED, _LOAD_S = "growth-0", 60.0
_MOST_WAITING = 50_000
_CONSOLE = ("invoke", "console", "--no-open", "--port", "0")
_DAY = ("scripts.maintain.console_day",)


def console(environ: Mapping[str, str], topics: int) -> Mapping[str, float]:
    """Return the slowest of three looks at each page, memory and processor of a console over so many topics.

    Each topic has three partitions with a record each, each tenth a group that has read none of its ten topics.
    """
    ran = processes.task("endpoints", "--json", timeout=_LIMIT_S, environ=environ)
    _fill(json.loads(ran.output)["KAFKA_BOOTSTRAP_SERVERS"].split(","), topics)
    with served(environ) as (process, url):
        home = url.partition("?")[0]
        slowest = dict.fromkeys(PAGES, 0.0)
        for _ in range(_LOOKS):
            for page in PAGES:
                time.sleep(_STALE_S)
                began = time.monotonic()
                requests.get(home + page, timeout=_LIMIT_S).raise_for_status()
                slowest[page] = max(slowest[page], time.monotonic() - began)
        before = sum(process.cpu_times()[:2])
        time.sleep(_REST_S)
        rest = (sum(process.cpu_times()[:2]) - before) / _REST_S * 100
        memory = process.memory_info().rss / 1024**2
    return {**{f"/{page} s": seconds for page, seconds in slowest.items()}, "MiB": memory, "% of a core": rest}


def busy(environ: Mapping[str, str], rate: int) -> Mapping[str, float]:
    """Return the greatest memory of a console that has seen a day of figures, while so many records come a second.

    For a minute its pages, the loaded topic's records among them, are looked at one after the other.
    """
    ran = processes.task("endpoints", "--json", timeout=_LIMIT_S, environ=environ)
    bootstrap = json.loads(ran.output)["KAFKA_BOOTSTRAP_SERVERS"].split(",")
    _fill(bootstrap, _GROUPS)
    most, slowest = 0.0, 0.0
    with served(environ, _DAY) as (process, url), ThreadPoolExecutor(1) as pool:
        home = url.partition("?")[0]
        load = pool.submit(_load, bootstrap, rate, _LOAD_S)
        while not load.done():
            for page in PAGES:
                began = time.monotonic()
                requests.get(home + page, timeout=_LIMIT_S).raise_for_status()
                slowest = max(slowest, time.monotonic() - began)
                most = max(most, process.memory_info().rss / 1024**2)
    return {"MiB": most, "slowest page s": slowest, "records/s sent": load.result()}


def _load(bootstrap: Sequence[str], rate: int, seconds: float) -> float:
    """Send records of 200 bytes at a rate, by time; return how many a second have arrived."""
    producer = Producer({"bootstrap.servers": ",".join(bootstrap), "linger.ms": 20, "acks": "all"})
    value, sent, began = bytes(200), 0, time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        while sent < passed * rate and len(producer) < _MOST_WAITING:
            producer.produce(_LOADED, value)
            sent += 1
        producer.poll(0.01)
    lost = producer.flush(_LIMIT_S)
    return (sent - lost) / (time.monotonic() - began)


def _fill(bootstrap: Sequence[str], topics: int) -> None:
    """Make what is missing: a console measured before, over fewer, left its topics and groups."""
    names = [f"growth-{number}" for number in range(topics)]
    with clients.admin(bootstrap, request_timeout_ms=60_000) as client:
        there = set(client.list_topics())
        new = [name for name in names if name not in there]
        for index in range(0, len(new), 100):
            spec = {"num_partitions": _PARTITIONS, "replication_factor": 3}
            client.create_topics(dict.fromkeys(new[index : index + 100], spec))
        producer = clients.producer(bootstrap)
        sent = [producer.send(name, value=b"x", partition=number) for name in new for number in range(_PARTITIONS)]
        for each in sent:
            each.get(timeout=_LIMIT_S)
        producer.close()
        for index in range(0, topics, _GROUPS):
            own = names[index : index + _GROUPS]
            moves = [groups.Move(name, partition, None, 0) for name in own for partition in range(_PARTITIONS)]
            groups.reset(client, f"growth-{index // _GROUPS}", moves)


@contextmanager
def served(environ: Mapping[str, str], program: Sequence[str] = _CONSOLE) -> Iterator[tuple[psutil.Process, str]]:
    """Serve this checkout's console on a free port; yield its process and the address that it prints."""
    argv = [sys.executable, "-m", *program]
    with subprocess.Popen(argv, cwd=ROOT, env={**os.environ, **environ}, stdout=subprocess.PIPE, text=True) as started:
        try:
            yield psutil.Process(started.pid), started.stdout.readline().strip() if started.stdout else ""
        finally:
            started.send_signal(signal.SIGINT)
