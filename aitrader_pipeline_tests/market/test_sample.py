"""The committed sample: complete, loadable without anything, and cut again to the same bytes."""

import hashlib
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from aitrader_pipeline.market.calendar import TradingCalendar
from aitrader_pipeline.market.sources import SAMPLE_PRICES, open_source

SCRIPT = SAMPLE_PRICES.parents[2] / "scripts" / "cut_sample.py"


def test_the_sample_has_every_session_of_each_symbol_and_no_bad_bar() -> None:
    batch = open_source("sample", None).read("XNAS")
    calendar = TradingCalendar("XNAS", date(2012, 5, 18), date(2013, 3, 1))
    sessions = calendar.sessions(calendar.first, calendar.last)
    assert batch.source == "sample"
    assert batch.rejected == ()
    assert [(bar.symbol, bar.date) for bar in batch.bars] == [
        (symbol, session) for symbol in ("AAPL", "FB", "GOOG", "IBM", "MSFT") for session in sessions
    ]
    assert all(bar.complete and bar.volume for bar in batch.bars)


def test_the_sample_holds_facebook_s_first_day_as_it_was_traded() -> None:
    [bar] = [
        bar
        for bar in open_source("sample", None).read("XNAS").bars
        if (bar.symbol, bar.date) == ("FB", date(2012, 5, 18))
    ]
    assert (bar.open, bar.high, bar.low) == (Decimal("42.05"), Decimal(45), Decimal(38))


def test_the_sample_s_provenance_names_its_hash() -> None:
    digest = hashlib.sha256(SAMPLE_PRICES.read_bytes()).hexdigest()
    assert digest in (SAMPLE_PRICES.parent / "README.md").read_text(encoding="utf-8")


def test_cutting_the_sample_again_gives_the_same_bytes(tmp_path: Path) -> None:
    pytest.importorskip("bokeh_sampledata", reason="the development dependency bokeh-sampledata is not installed")
    subprocess.run([sys.executable, str(SCRIPT), str(tmp_path / "again")], check=True)
    for name in ("prices.csv", "corporate_actions.csv", "README.md"):
        assert (tmp_path / "again" / name).read_bytes() == (SAMPLE_PRICES.parent / name).read_bytes()
