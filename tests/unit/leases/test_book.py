"""Whose a name is: by the file of its lease, the process that opened it, and the time."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from backbone.lease_names import prefix_of
from backbone.leases.book import Book

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1000.0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lease-0123456789ab-orders", "lease-0123456789ab"),
        ("lease_0123456789ab_orders", "lease-0123456789ab"),
        ("lease-0123456789ab", "lease-0123456789ab"),
        ("lease-0123456789ab.orders_x-value", "lease-0123456789ab"),
        ("lease-0123456789abc-orders", ""),
        ("lease-0123456789AB-orders", ""),
        ("my-lease-0123456789ab-orders", ""),
        ("lease-orders", ""),
        ("orders", ""),
    ],
)
def test_a_prefix_is_known_by_its_form(name: str, expected: str) -> None:
    assert prefix_of(name) == expected


def test_a_lease_is_live_while_its_owner_runs_and_its_time_lasts(tmp_path: Path) -> None:
    now = [NOW]
    book = Book(tmp_path / "leases", lambda: now[0])
    one, two = book.open(10), book.open(20)
    assert one.prefix != two.prefix
    assert book.live() == {one.prefix, two.prefix}
    now[0] += 15
    assert book.live() == {two.prefix}
    book.close(two.prefix)
    assert [entry.prefix for entry in book.entries()] == [one.prefix]


def test_a_lease_of_a_process_that_was_killed_is_not_live(tmp_path: Path) -> None:
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom backbone.leases.book import Book\n"
        "print(Book(Path(sys.argv[1])).open(3600).prefix, flush=True)\ntime.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        prefix = other.stdout.readline().strip()
        assert Book(tmp_path).live() == {prefix}
        other.kill()
        other.wait()
        assert Book(tmp_path).live() == set()
    assert [entry.prefix for entry in Book(tmp_path).entries()] == [prefix]


def test_another_process_with_the_same_number_is_no_owner(tmp_path: Path) -> None:
    book = Book(tmp_path)
    entry = book.open(3600)
    file = tmp_path / f"{entry.prefix}.json"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace(entry.owner.started, "another boot 7"), encoding="utf-8")
    assert book.live() == set()


def test_a_file_that_cannot_be_read_is_no_lease(tmp_path: Path) -> None:
    (tmp_path / "lease-0123456789ab.json").write_text("{", encoding="utf-8")
    assert Book(tmp_path).entries() == []
