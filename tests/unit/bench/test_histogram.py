"""Raw values and HdrHistogram say the same, and the logs can be read back by the format's own reader."""

from __future__ import annotations

import math
import random
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from hypothesis import given
from hypothesis import strategies as st

from backbone.bench.histogram import AGREEMENT, HIGHEST_NS, disagreement, histogram, write_log
from backbone.bench.statistics import QUANTILES
from tests import ROOT

if TYPE_CHECKING:
    from pathlib import Path


@given(st.lists(st.integers(1, HIGHEST_NS), min_size=1, max_size=300))
def test_quantiles_agree_within_a_thousandth(values: list[int]) -> None:
    assert disagreement([float(value) for value in values], QUANTILES) <= AGREEMENT


def test_a_broken_recorder_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    record = HdrHistogram.record_value
    monkeypatch.setattr(HdrHistogram, "record_value", lambda self, value: record(self, int(value * 1.01)))
    assert disagreement([5e6] * 100, QUANTILES) > AGREEMENT


def test_infinity_counts_as_an_hour() -> None:
    made = histogram([1e6, math.inf])
    assert made.get_max_value() == pytest.approx(HIGHEST_NS, rel=AGREEMENT)
    assert disagreement([math.inf] * 3, QUANTILES) <= AGREEMENT


def test_the_log_holds_every_interval(tmp_path: Path) -> None:
    source = random.Random(1)
    blocks = [[source.uniform(1e6, 5e7) for _ in range(200)] for _ in range(4)]
    path = tmp_path / "run.hlog"
    write_log(path, "end to end", blocks, start=1_700_000_000.0, interval=1.0)
    reader = HistogramLogReader(str(path), HdrHistogram(1, HIGHEST_NS, 3))
    read = list(iter(reader.get_next_interval_histogram, None))
    reader.close()
    assert [each.get_total_count() for each in read] == [200] * 4
    assert read[2].get_value_at_percentile(50) == histogram(blocks[2]).get_value_at_percentile(50)


def test_a_machine_without_the_library_is_told_what_to_install() -> None:
    code = (
        "import sys\n"
        "sys.modules['hdrh'] = None\n"
        "from backbone.bench import machine\n"
        "from backbone.errors import StackError\n"
        "try:\n"
        "    import backbone.bench.histogram\n"
        "except StackError as error:\n"
        "    print(error.reference, error.hint.splitlines()[-1].endswith('pip install hdrhistogram'))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "bench-library True\n"
