"""What only a maintainer runs: locks, lists, pages and benchmarks of the tools (nox sessions call it)."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
