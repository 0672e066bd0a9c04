"""The README's picture shows what stays on the screen, and needs nothing from the network."""

from __future__ import annotations

from scripts.maintain import picture


def test_what_a_waiting_task_erased_is_not_in_the_picture() -> None:
    seen = "engine: embedded\r\nkafka-1 starting\r\nkafka-2 starting\r\x1b[2K\x1b[1A\x1b[2Kready after 5 s\r\n"
    assert picture.settled(seen) == "engine: embedded\nready after 5 s"


def test_a_line_written_over_keeps_its_last_words() -> None:
    assert picture.settled("downloading 1 MB\rdownloading 2 MB\rdone\r\n") == "done"


def test_the_picture_shows_commands_and_output_and_loads_nothing() -> None:
    svg = picture.drawn([("./invoke up", "\x1b[32mready\x1b[0m after 5 s")])
    assert "up" in svg
    assert "ready" in svg
    assert "url(http" not in svg
    assert 'url("' not in svg
