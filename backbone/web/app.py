"""The console's pages and deeds as one ASGI application."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from backbone.errors import ExitCode, StackError, as_typed
from backbone.pages.render import STYLE, html
from backbone.web import views
from backbone.web.deeds import DEEDS, Said
from backbone.web.guard import Access, Guard, form

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from starlette.requests import Request

    from backbone.stack.health import ClusterHealth
    from backbone.web.desk import Desk

_PAGES = (
    ("/", "Stack"),
    ("/topics", "Topics"),
    ("/groups", "Groups"),
    ("/metrics", "Metrics"),
    ("/alerts", "Alerts"),
    ("/dead-letters", "Dead letters"),
    ("/connectors", "Connectors"),
    ("/contracts", "Contracts"),
    ("/doctor", "Doctor"),
    ("/access", "Access"),
    ("/snapshots", "Snapshots"),
    ("/results", "Results"),
)
_ELSEWHERE = _PAGES[:4]
"""What a cluster elsewhere has."""
_TONES = {
    "good": {"healthy", "running", "whole", "Stable", "RUNNING", "ok", "inactive"},
    "bad": {"exited", "unhealthy", "offline", "under min ISR", "FAILED", "error", "firing"},
    "off": {"stopped", "unavailable", "Empty", "Dead", "STOPPED"},
}


def application(desk: Desk, access: Access, htmx: bytes) -> Starlette:
    """Return the console of a desk. htmx: the script that asks for the moving parts again (htmx.org)."""
    console = _Console(desk, access)
    page = console.page
    routes = [
        page("/", "stack.html", "Stack", lambda _: views.stack(desk), every=1),
        page("/services/{name}", "service.html", "{name}", lambda r: views.service(desk, _name(r)), every=2),
        page("/topics", "topics.html", "Topics", lambda r: views.topics(desk, r.query_params), every=2),
        page("/topics/{name}", "topic.html", "{name}", lambda r: views.topic(desk, _name(r), r.query_params)),
        page("/groups", "groups.html", "Groups", lambda _: views.group_list(desk), every=2),
        page("/groups/{name:path}", "group.html", "{name}", lambda r: views.group(desk, _name(r)), every=2),
        page("/metrics", "metrics.html", "Metrics", lambda _: views.metrics(desk), every=5),
        page("/alerts", "alerts.html", "Alerts", lambda _: views.alerts(desk), every=5),
        page("/dead-letters", "letters.html", "Dead letters", lambda _: views.letters(desk)),
        page("/connectors", "connectors.html", "Connectors", lambda _: views.connectors(desk), every=2),
        page("/contracts", "contracts.html", "Contracts", lambda _: views.contracts(desk)),
        page("/doctor", "doctor.html", "Doctor", lambda _: views.doctor(desk)),
        page("/access", "access.html", "Access", lambda _: views.access(desk)),
        page("/snapshots", "snapshots.html", "Snapshots", lambda _: views.snapshots(desk)),
        page("/results", "results.html", "Results", lambda _: views.kept(desk)),
        Route("/results/{name:path}", lambda r: _report(desk, _name(r))),
        *(console.deed(name, deed) for name, deed in DEEDS.items()),
        Route("/favicon.ico", lambda _: Response(status_code=HTTPStatus.NO_CONTENT)),
        _file("/static/style.css", STYLE.encode(), "text/css"),
        _file("/static/console.css", (_STATIC / "console.css").read_bytes(), "text/css"),
        _file("/static/console.js", (_STATIC / "console.js").read_bytes(), "text/javascript"),
        _file("/static/htmx.js", htmx, "text/javascript"),
    ]
    return Starlette(routes=routes, middleware=[Middleware(Guard, access=access)])


@dataclass(frozen=True, slots=True)
class _Console:
    """Makes routes that answer with a page."""

    desk: Desk
    access: Access

    def page(
        self, path: str, template: str, title: str, look: Callable[[Request], views.Values], every: int = 0
    ) -> Route:
        """Return the route of a page that asks for its moving part again every so many seconds (0: never)."""

        def answer(request: Request) -> Response:
            try:
                values = look(request)
            except StackError as error:
                return self._failed(request, error)
            return self._render(request, template, title.format(**request.path_params), {**values, "every": every})

        return Route(path, answer)

    def deed(self, name: str, do: Callable[[Desk, Mapping[str, str]], Said]) -> Route:
        """Return the route that does something and says what."""

        async def answer(request: Request) -> Response:
            given = form(await request.body())
            try:
                said = await run_in_threadpool(do, self.desk, given)
            except StackError as error:
                return self._failed(request, error)
            except KeyError as error:
                return PlainTextResponse(f"the form has no field {error}\n", HTTPStatus.BAD_REQUEST)
            back = _LISTS.get(name, "/")
            return self._render(request, "said.html", name, {"said": said, "form": given, "back": back})

        return Route(f"/do/{name}", answer, methods=["POST"])

    def _failed(self, request: Request, error: StackError) -> Response:
        lines = tuple(filter(None, (error.context, error.hint and f"help: {as_typed(error.hint)}")))
        said = Said(error.message, lines, failed=True)
        away = error.exit_code in (ExitCode.ENVIRONMENT, ExitCode.TIMEOUT)
        status = HTTPStatus.BAD_GATEWAY if away else HTTPStatus.BAD_REQUEST
        # A moving part that cannot be had for a moment is shown as such, and asked for again: htmx takes 2xx only.
        code = HTTPStatus.OK if _moving(request) else status
        return self._render(request, "said.html", error.reference, {"said": said, "back": "/"}, code)

    def _render(
        self, request: Request, template: str, title: str, values: views.Values, status: int = HTTPStatus.OK
    ) -> Response:
        own = self.desk.stack
        return HTMLResponse(
            _TEMPLATES.get_template(template).render(
                {
                    "base": "bare.html" if _moving(request) else "shell.html",
                    "title": title,
                    "here": request.url.path,
                    "self_url": request.url.path + (f"?{request.url.query}" if request.url.query else ""),
                    "pages": _ELSEWHERE if own is None else _PAGES,
                    "place": ", ".join(self.desk.cluster.bootstrap) if own is None else str(own.settings.root),
                    "token": self.access.token if own is not None and self.access.trusts(request) else "",
                    "every": 0,
                    **values,
                }
            ),
            status,
        )


def _moving(request: Request) -> bool:
    """Tell whether htmx asks for the moving part of a page alone."""
    return "hx-request" in request.headers


def _name(request: Request) -> str:
    return str(request.path_params["name"])


def _file(path: str, body: bytes, media_type: str) -> Route:
    headers = {"Cache-Control": "no-cache"}
    return Route(path, lambda _: Response(body, media_type=media_type, headers=headers))


def _report(desk: Desk, name: str) -> Response:
    """Return a kept report's page: one that `results` lists, so that no other file can be asked for."""
    kept = views.kept(desk)
    for each in kept["kept"]:
        if str(each.folder.relative_to(kept["root"])) == name:
            # It carries its style in itself, and needs nothing else.
            policy = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
            return HTMLResponse(html(each.page), headers={"Content-Security-Policy": policy})
    return PlainTextResponse("there is no such report\n", HTTPStatus.NOT_FOUND)


def _tone(word: str) -> str:
    return next((tone for tone, words in _TONES.items() if word in words), "unsure")


def _by_broker(cluster: ClusterHealth) -> Iterator[tuple[int, int, int, int]]:
    """Yield (broker, partitions it leads, replicas it has, replicas of it that are out of sync)."""
    every = {node for each in cluster.partitions for node in each.replicas} | set(cluster.brokers)
    for node in sorted(every):
        held = [each for each in cluster.partitions if node in each.replicas]
        leads = sum(each.leader == node for each in held)
        yield node, leads, len(held), sum(node not in each.isr for each in held)


def _size(count: int | None) -> str:
    """Return bytes in the unit a person would use."""
    if count is None:
        return ""
    value, units = float(count), ["B", "KiB", "MiB", "GiB", "TiB"]
    while value >= _UNIT and len(units) > 1:
        value, units = value / _UNIT, units[1:]
    return f"{value:.0f} {units[0]}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def _breakable(name: str) -> Markup:
    """Return a name that may go on in the next line after a dot, and before a capital letter."""
    return Markup(re.sub(r"(?<=[.])(?=\w)|(?<=[a-z])(?=[A-Z])", "<wbr>", escape(name)))  # noqa: S704 - escaped


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%F %T}"


_UNIT = 1024
_STATIC = Path(__file__).parent / "static"
_LISTS = {
    "reset": "/groups",
    "replay": "/dead-letters",
    "connector": "/connectors",
    "fix": "/doctor",
    "send": "/topics",
}
_TEMPLATES = Environment(
    loader=PackageLoader("backbone.web"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
_TEMPLATES.globals |= {"tone": _tone, "by_broker": _by_broker}
_TEMPLATES.filters |= {"breakable": _breakable, "moment": _moment, "size": _size, "duration": _duration}
_TEMPLATES.tests |= {"match_add": lambda line: line[:1] == "+", "match_remove": lambda line: line[:1] == "-"}
