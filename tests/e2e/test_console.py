"""The console in a real browser, over a real stack: what it shows, what it does, and that looking moves nothing.

Needs Debian's chromium (`apt-get install chromium`), or another one named by CHROMIUM.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

from backbone import clients, results
from backbone.events.contracts import repository
from backbone.events.contracts.registry import Registry
from backbone.events.records import Codec
from backbone.pages.render import html
from backbone.stack import groups
from tests import ROOT
from tests.e2e.test_refused_records import await_letters, produce

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from tests.e2e.checkout import Checkout

RED_WITHIN_MS = 3_000
WAIT_MS = 60_000
PATHS = (
    "/",
    "/services/kafka-1",
    "/topics",
    "/topics?internal=1",
    "/topics/events-topic",
    "/groups",
    "/groups/billing",
    "/metrics",
    "/alerts",
    "/dead-letters",
    "/connectors",
    "/contracts",
    "/doctor",
    "/access",
    "/snapshots",
    "/results",
)
SIZES = ((1280, 1000), (400, 900))
SCHEMES = ("light", "dark")
OWN_GROUPS = ("connect-", "apicurio-", "kafka-connect")
REFUSED = "a status of 400"
POISON = "22021"  # a text with U+0000, in PostgreSQL's words


@contextmanager
def console(stack: Checkout) -> Iterator[str]:
    """Serve the console of a checkout on a free port; yield the address it prints."""
    with stack.going("console", "--no-open", "--port", "0") as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
        assert process.returncode == 0


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert program, "apt-get install chromium"
    with sync_playwright() as started:
        opened = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def address(data_stack: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The console of a stack with records, a group that is behind, and a dead letter."""
    folder = tmp_path_factory.mktemp("events")
    produce(data_stack, folder, "good", 5)
    produce(data_stack, folder, "nul\0", 2)
    await_letters(data_stack, POISON, 2)
    consumed(data_stack)
    with console(data_stack) as found:
        yield found


def bootstrap(stack: Checkout) -> list[str]:
    return str(stack.json("endpoints")["KAFKA_BOOTSTRAP_SERVERS"]).split(",")


def consumed(stack: Checkout) -> None:
    """Let a group have a place in the middle of each partition."""
    with clients.admin(bootstrap(stack)) as client:
        groups.reset(client, "billing", [groups.Move("events-topic", number, None, 1) for number in range(3)])


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A page that came by the printed address; a word on the browser's console is a fault, but for refused forms."""
    with browser.new_context(viewport={"width": 1280, "height": 1000}) as context:
        opened = context.new_page()
        said: list[str] = []
        opened.on("console", lambda message: said.extend([] if REFUSED in message.text else [message.text]))
        opened.on("pageerror", lambda error: said.append(str(error)))
        opened.goto(address)
        yield opened
        assert not said


def places(stack: Checkout) -> dict[str, dict[str, int]]:
    """Return the committed offsets of every group; of those that go on by themselves only that they are there."""
    names = [each["name"] for each in stack.json("groups", "list")]
    return {name: {} if name.startswith(OWN_GROUPS) else committed(stack, name) for name in names}


def committed(stack: Checkout, group: str) -> dict[str, int]:
    found = stack.json("groups", "describe", group)["places"]
    return {f"{each['topic']}-{each['partition']}": each["committed"] for each in found}


def service(page: Page, name: str) -> Any:
    return page.get_by_role("row", name=re.compile(rf"^{name} "))


def test_a_killed_broker_is_red_within_3_s_and_green_after_up(page: Page, data_stack: Checkout) -> None:
    expect(service(page, "kafka-3")).to_contain_text("healthy")
    os.kill(data_stack.pids()["kafka-3"], signal.SIGKILL)
    expect(service(page, "kafka-3")).to_contain_text("exited", timeout=RED_WITHIN_MS)
    expect(page.get_by_role("status").first).to_contain_text("under-replicated", timeout=WAIT_MS)
    home = page.url
    page.goto(home + "alerts")
    expect(service(page, "BrokerDown")).to_contain_text("firing", timeout=WAIT_MS)
    expect(service(page, "BrokerDown")).to_contain_text("kafka-3 does not answer")
    data_stack.run("up", "--profile", "messaging", "--profile", "data")
    expect(service(page, "BrokerDown")).to_contain_text("inactive", timeout=WAIT_MS)
    page.goto(home)
    expect(service(page, "kafka-3")).to_contain_text("healthy", timeout=WAIT_MS)
    expect(page.get_by_role("status").first).to_contain_text("all replicas in sync", timeout=WAIT_MS)


def test_a_record_against_its_contract_shows_field_and_version(page: Page, data_stack: Checkout) -> None:
    contract = repository.load(data_stack.root / repository.FOLDER, repository.SCHEMA_FILE).for_topic("events-topic")
    assert contract is not None
    codec = Codec.registered(contract, Registry(str(data_stack.json("endpoints")["SCHEMA_REGISTRY_URL"])))
    record, _ = codec.record({"event_id": "x", "event_type": "t", "source": "s", "occurred_at": "2026-01-31T12:00:00Z"})
    assert record is not None
    sender = clients.producer(bootstrap(data_stack))
    sender.send("events-topic", key=b"no-avro", value=b'{"event_id": 7}')
    sender.send("events-topic", key=b"empty", value=record.value.replace(b"\x02x", b"\x00", 1))
    sender.flush()
    sender.close()
    home = page.url
    for key, words in (("no-avro", "byte 0"), ("empty", "event_id: is the record's key and is empty")):
        page.goto(f"{home}topics/events-topic?key={key}")
        row = page.locator("summary").first
        expect(row.locator(".bad")).to_contain_text(f"events-topic-value v{contract.latest.number}: ")
        expect(row.locator(".bad")).to_contain_text(words)
        row.click()
        expect(page.get_by_label("Record as JSON")).to_contain_text('"offset"')


def test_a_record_is_sent_by_contract_or_refused_with_its_field(page: Page) -> None:
    topic = page.url + "topics/events-topic"
    page.goto(topic)
    page.get_by_label("JSON, by").fill('{"event_id": "", "event_type": "t", "source": "s", "occurred_at": "x"}')
    page.get_by_role("button", name="send", exact=True).click()
    expect(page.get_by_role("main")).to_contain_text("occurred_at")
    page.goto(topic)
    good = '{"event_id": "by-hand", "event_type": "t", "source": "s", "occurred_at": "2026-01-31T12:00:00Z"}'
    page.get_by_label("JSON, by").fill(good)
    page.get_by_role("button", name="send", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("one record was sent")
    page.goto(topic + "?field=event_id&value=by-hand")
    expect(page.locator("summary")).to_have_count(1)
    expect(page.locator("summary .good")).to_contain_text("follows events-topic-value v")


def test_one_dead_letter_is_sent_again_after_it_was_shown(page: Page) -> None:
    page.goto(page.url + "dead-letters")
    page.locator("summary").first.click()
    page.get_by_role("button", name="send this one again").first.click()
    expect(page.get_by_role("status")).to_contain_text("1 records of events-topic.dead-letters would be sent again")
    page.get_by_role("button", name="do it").click()
    expect(page.get_by_role("status")).to_contain_text("1 records of events-topic.dead-letters were sent again")


def test_a_group_moves_after_it_was_said_where_to(page: Page, data_stack: Checkout) -> None:
    page.goto(page.url + "groups/billing")
    page.get_by_label("to", exact=True).fill("earliest")
    page.get_by_role("button", name="say what would move").click()
    expect(page.get_by_role("main")).to_contain_text("events-topic-0: 1 → 0")
    assert committed(data_stack, "billing")["events-topic-0"] == 1
    page.get_by_role("button", name="do it").click()
    expect(page.get_by_role("status")).to_contain_text("billing was moved")
    assert committed(data_stack, "billing")["events-topic-0"] == 0


def test_a_connector_is_paused_and_goes_on(page: Page) -> None:
    page.goto(page.url + "connectors")
    for verb, state in (("pause", "PAUSED"), ("resume", "RUNNING")):
        page.get_by_role("button", name=verb).first.click()
        page.get_by_role("link", name="back").click()
        expect(page.locator(".card").first).to_contain_text(state, timeout=WAIT_MS)


def test_looking_at_every_page_moves_no_offset(page: Page, data_stack: Checkout) -> None:
    before = places(data_stack)
    home = page.url
    for path in PATHS:
        page.goto(home.rstrip("/") + path)
    assert places(data_stack) == before


def test_a_part_that_is_asked_for_again_leaves_its_reader_where_he_is(page: Page) -> None:
    page.set_viewport_size({"width": 400, "height": 900})
    graph = page.get_by_label("Services, scrollable")
    link = page.get_by_role("link", name="kafka-2")
    link.focus()
    graph.evaluate("each => { each.dataset.old = 1; each.scrollTo(80, 0); }")
    expect(page.locator("[data-old]")).to_have_count(0, timeout=WAIT_MS)
    expect(link).to_be_focused()
    assert graph.evaluate("each => each.scrollLeft") == 80


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_page_can_be_used_by_everybody(browser: Browser, address: str, scheme: Any) -> None:
    """axe-core finds no serious fault, nothing is wider than the screen, and pictures are kept to be looked at."""
    folder = ROOT / "results" / "console"
    folder.mkdir(parents=True, exist_ok=True)
    faults = []
    with browser.new_context(color_scheme=scheme) as context:
        opened = context.new_page()
        opened.goto(address)
        home = opened.url.rstrip("/")
        for path in PATHS:
            opened.goto(home + path)
            name = re.sub(r"\W+", "-", path).strip("-") or "stack"
            faults += looked_at(opened, folder / f"{name}-{scheme}")
    assert not faults


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_kept_report_can_be_read_by_everybody(browser: Browser, scheme: Any, tmp_path: Path) -> None:
    folder = ROOT / "results" / "console"
    folder.mkdir(parents=True, exist_ok=True)
    faults = []
    with browser.new_context(color_scheme=scheme) as context:
        opened = context.new_page()
        for kept in results.found(ROOT / "results" / "kept"):
            written = tmp_path / "report.html"
            written.write_text(html(kept.page), encoding="utf-8")
            opened.goto(written.as_uri())
            faults += looked_at(opened, folder / f"report-{kept.folder.name}-{scheme}")
    assert not faults


def looked_at(opened: Page, picture: Path) -> list[str]:
    """Take a page's pictures at both sizes; return what axe-core finds, and what does not fit on the screen."""
    faults = []
    for width, height in SIZES:
        opened.set_viewport_size({"width": width, "height": height})
        opened.screenshot(path=f"{picture}-{width}.png", full_page=True)
        wide = opened.evaluate("document.documentElement.scrollWidth")
        faults += [f"{opened.url}: {wide} px wide on {width}"] if wide > width else []
        for each in Axe().run(opened).response["violations"]:
            if each["impact"] in ("serious", "critical"):
                nodes = "; ".join(node["html"][:120] for node in each["nodes"][:3])
                faults.append(f"{opened.url} at {width}: {each['id']}: {each['help']}: {nodes}")
    return faults
