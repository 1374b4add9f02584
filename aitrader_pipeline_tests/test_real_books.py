"""The benchmark's own books on its own prices, where they are at hand, against its published table."""

import json
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest

from aitrader_pipeline.performance.identities import IDENTITIES, violations
from aitrader_pipeline.store.mart import reading
from aitrader_pipeline_tests.arena_homes import Answer, ArenaHome
from aitrader_pipeline_tests.benchmark_data import benchmark_data, write_benchmark_config

LAST = "2025-10-30"
PUBLISHED = {
    "deepseek-chat-v3.1": ("11388.94", "13.89"),
    "gpt-5": ("10711.49", "7.11"),
    "qwen3-max": ("10343.93", "3.44"),
}
# The books hold their cash as floats.
NOISE = Decimal("0.000001")


@pytest.fixture(scope="module")
def data() -> Path:
    return benchmark_data()


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> ArenaHome:
    return write_benchmark_config(tmp_path_factory.mktemp("real"))


@pytest.fixture(scope="module")
def imported(arena: ArenaHome, data: Path) -> Answer:
    """All three books taken in by one command."""
    return arena.aitrader("import-books", str(data / "agent_data"))


def closes_of(data: Path) -> dict[str, dict[str, Decimal]]:
    """Closing prices by symbol and session, read from the vendor's files without the project's code."""
    closes: dict[str, dict[str, Decimal]] = {}
    for file in sorted((data / "nasdaq100_daily" / "raw").glob("daily_prices_*.json")):
        document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        (series,) = (value for key, value in document.items() if key.startswith("Time Series"))
        closes[document["Meta Data"]["2. Symbol"]] = {
            date: Decimal(bar.get("4. close") or bar["4. sell price"]) for date, bar in series.items()
        }
    return closes


def equity_of(book: Path, closes: dict[str, dict[str, Decimal]]) -> Iterator[tuple[str, Decimal]]:
    """The book's own state after each day's last row, valued at the closes."""
    days: dict[str, dict[str, float]] = {}
    for line in book.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if "this_action" in row:
            days[row["date"]] = row["positions"]
    for date, positions in sorted(days.items()):
        held = {symbol: int(shares) for symbol, shares in positions.items() if symbol != "CASH" and shares}
        yield (
            date,
            sum((q * closes[symbol][date] for symbol, q in held.items()), Decimal(str(positions["CASH"]))),
        )


def rounded(number: float) -> str:
    return str(Decimal(str(number)).quantize(Decimal("0.01"), ROUND_HALF_UP))


def test_the_published_results_come_out_to_the_cent(arena: ArenaHome, imported: Answer) -> None:
    assert imported.status == 0, imported.err
    board = {s["model"]: s for s in arena.ok("leaderboard", "--format", "json").json["leaderboard"]}
    assert set(board) == {*PUBLISHED, "QQQ", "=equal-weight", "=cash"}
    for model, (value, percent) in PUBLISHED.items():
        assert rounded(board[model]["portfolio_value"]) == value
        assert rounded(board[model]["cumulative_return_pct"]) == percent
    assert rounded(board["QQQ"]["cumulative_return_pct"]) == "3.78"
    table = arena.ok("leaderboard").out
    for shown in ("11,388.94", "13.89 %", "10,711.49", "7.11 %", "10,343.93", "3.44 %", "3.78 %"):
        assert shown in table
    assert {s["date"] for s in board.values()} == {LAST}
    ranked = sorted(board, key=lambda model: int(board[model]["rank"]))
    assert [model for model in ranked if model[0] != "="] == [*list(PUBLISHED)[:2], "QQQ", "qwen3-max"]
    assert ranked[-1] == "=cash"


@pytest.mark.usefixtures("imported")
def test_every_day_of_every_series_is_what_the_book_is_worth_at_the_close(arena: ArenaHome, data: Path) -> None:
    closes = closes_of(data)
    for model in PUBLISHED:
        expected = dict(equity_of(data / "agent_data" / model / "position" / "position.jsonl", closes))
        rows = arena.rows("SELECT date, closing_equity FROM daily_pnl WHERE model = ?", [model])
        series = {str(date): equity for date, equity in rows}
        assert series.keys() == expected.keys()
        assert {date: equity for date, equity in series.items() if abs(equity - expected[date]) >= NOISE} == {}


@pytest.mark.usefixtures("imported")
def test_the_identities_hold_on_every_day(arena: ArenaHome) -> None:
    with reading(arena.mart) as con:
        assert {identity.name: violations(con, identity) for identity in IDENTITIES} == {
            identity.name: [] for identity in IDENTITIES
        }
