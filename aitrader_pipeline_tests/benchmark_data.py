"""The AI-Trader benchmark's own prices and books, where they are at hand: they are not part of the project."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from aitrader_pipeline_tests.arena_homes import ArenaHome
from aitrader_pipeline_tests.markets import baseline


def benchmark_data() -> Path:
    """The folder of the data; skips the test without it."""
    folder = os.environ.get("AITRADER_SHARED_DATA")
    if not folder:
        pytest.skip("AITRADER_SHARED_DATA does not name the folder of the benchmark's data")
    return Path(folder)


def write_benchmark_config(folder: Path, models: Sequence[Mapping[str, Any]] = (baseline("cash"),)) -> ArenaHome:
    """An arena over the benchmark's sessions, on its prices; nothing is run or imported yet."""
    prices = benchmark_data() / "nasdaq100_daily" / "raw"
    config = {
        "date_range": {"init_date": "2025-10-02", "end_date": "2025-10-30"},
        "models": list(models),
        "market": {"source": "merged_jsonl", "path": str(prices), "benchmark": "QQQ"},
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return ArenaHome(folder, {"AITRADER_CONFIG": str(folder / "config.json")})


def import_benchmark_books(arena: ArenaHome) -> ArenaHome:
    """Take in the three books."""
    arena.ok("import-books", str(benchmark_data() / "agent_data"))
    return arena
