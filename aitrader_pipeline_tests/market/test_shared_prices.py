"""The benchmark's own prices, where they are at hand: both of its formats load whole."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from aitrader_pipeline.market.bars import Bar
from aitrader_pipeline.market.sources import open_source
from aitrader_pipeline_tests.benchmark_data import benchmark_data

NEWEST = date(2025, 10, 30)


@pytest.fixture
def daily() -> Path:
    return benchmark_data() / "nasdaq100_daily"


def test_the_merged_file_gives_101_symbols_whose_newest_bar_is_the_open_alone(daily: Path) -> None:
    batch = open_source("merged_jsonl", daily / "merged.jsonl").read("XNAS")
    assert batch.rejected == ()
    assert len(batch.bars) == 101 * 100
    assert len({bar.symbol for bar in batch.bars}) == 101
    assert {bar.date for bar in batch.bars if not bar.complete} == {NEWEST}
    assert all(bar.complete == (bar.date < NEWEST) for bar in batch.bars)
    assert Bar("AAPL", NEWEST, Decimal("271.99")) in batch.bars


def test_the_vendor_s_folder_gives_102_symbols_with_qqq_from_two_equal_files(daily: Path) -> None:
    folder = daily / "raw"
    assert len(list(folder.glob("*.json"))) == 104
    assert len(list(folder.glob("*QQQ.json"))) == 2
    batch = open_source("merged_jsonl", folder).read("XNAS")
    assert batch.rejected == ()
    assert all(bar.complete for bar in batch.bars)
    qqq = [bar for bar in batch.bars if bar.symbol == "QQQ"]
    assert (len(qqq), qqq[-1].date) == (100, NEWEST)
    apple = {bar.date: bar for bar in batch.bars if bar.symbol == "AAPL"}
    assert apple[NEWEST] == Bar(
        "AAPL", NEWEST, Decimal("271.99"), Decimal("274.14"), Decimal("268.48"), Decimal("271.4"), 56447186
    )


def test_the_two_formats_agree_on_every_bar_that_both_hold_whole(daily: Path) -> None:
    merged = open_source("merged_jsonl", daily / "merged.jsonl").read("XNAS")
    raw = open_source("merged_jsonl", daily / "raw").read("XNAS")
    known = {(bar.symbol, bar.date): bar for bar in raw.bars}
    complete = [bar for bar in merged.bars if bar.complete]
    assert len(complete) == 101 * 99
    assert [bar for bar in complete if known[bar.symbol, bar.date] != bar] == []
