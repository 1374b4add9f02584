"""Closed trades, open lots and what they are summed up in, against numbers computed by hand."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from aitrader_pipeline.market.actions import CorporateAction
from aitrader_pipeline.performance.identities import violations
from aitrader_pipeline.ranking.trades import rebuild_summaries, rebuild_trades, trade_statistics_query
from aitrader_pipeline.ranking.trades_asset import TRADE_IDENTITIES
from aitrader_pipeline.store.mart import migrate
from aitrader_pipeline_tests.markets import FLAT, OCT_02, OCT_03, OCT_06, OCT_07, TEN_DAYS, Quotes, day
from aitrader_pipeline_tests.random_ledgers import fill_mart, scripted_arena
from aitrader_pipeline_tests.series import Row, rows_of

Mart = duckdb.DuckDBPyConnection
M = "model-a"
OPEN = dt.datetime(2025, 10, 2, 13, 30, tzinfo=dt.UTC)


@pytest.fixture
def mart() -> Iterator[Mart]:
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        migrate(con)
        yield con


def rebuild(mart: Mart) -> None:
    rebuild_trades(mart, calendar="XNAS")
    rebuild_summaries(mart, calendar="XNAS", risk_free_rate=0.0)


def traded(
    mart: Mart,
    quotes: Quotes,
    days: Mapping[str, Sequence[str]],
    actions: Sequence[CorporateAction] = (),
    cash: int = 50_000,
) -> None:
    """A portfolio that did these orders, through to the tables of trades and summaries."""
    fill_mart(mart, scripted_arena(quotes, days, actions, cash=Decimal(cash)))
    rebuild(mart)
    assert [violations(mart, identity) for identity in TRADE_IDENTITIES] == [[], []]


def trades_of(mart: Mart, *columns: str) -> list[tuple[Any, ...]]:
    listing = ", ".join(columns)
    return mart.table("trade_log").order("exit_date, exit_action_id, entry_date").project(listing).fetchall()


# --- first in, first out ---

RISING: Quotes = {"AAPL": {OCT_02: ("100", "101"), OCT_03: ("110", "111"), OCT_06: ("120", "130")}}


def test_a_sell_closes_the_oldest_lots_and_each_is_a_row(mart: Mart) -> None:
    traded(mart, RISING, {OCT_02: ["buy AAPL 10"], OCT_03: ["buy AAPL 5"], OCT_06: ["sell AAPL 12"]})
    assert trades_of(
        mart, "entry_date", "shares", "entry_price", "exit_price", "realized_pnl", "realized_pnl_pct"
    ) == [
        (day(OCT_02), 10, 100, 120, 200, pytest.approx(20)),
        (day(OCT_03), 2, 110, 120, 20, pytest.approx(100 / 11)),
    ]
    assert mart.execute(
        "SELECT date, symbol, shares, entry_price, entry_value, mark_price, unrealized_pnl FROM open_lots"
    ).fetchall() == [(day(OCT_06), "AAPL", 3, 110, 330, 130, 60)]


def test_a_trade_says_when_and_by_which_actions_it_was_opened_and_closed(mart: Mart) -> None:
    traded(
        mart, RISING, {OCT_02: ["buy AAPL 1", "sell AAPL 1", "buy AAPL 2"], OCT_03: ["sell AAPL 1"], OCT_06: []}
    )
    [within_a_day, overnight] = rows_of(mart, "FROM trade_log ORDER BY exit_date")
    assert within_a_day["entry_time"] == within_a_day["exit_time"] == OPEN
    assert (overnight["entry_time"], overnight["exit_time"]) == (OPEN, OPEN + dt.timedelta(days=1))
    assert (overnight["entry_action_id"], overnight["exit_action_id"]) == (3, 1)
    assert overnight["created_at"] == dt.datetime(2025, 10, 3, 22, tzinfo=dt.UTC)
    said = {
        (row["direction"], row["exit_reason"], row["exit_action"], row["strategy"])
        for row in rows_of(mart, "FROM trade_log")
    }
    assert said == {("long", "manual", "sell", None)}


def test_several_sells_eat_one_lot_piece_by_piece(mart: Mart) -> None:
    orders = {OCT_02: ["buy AAPL 10", "sell AAPL 3"], OCT_03: ["sell AAPL 3", "sell AAPL 3"], OCT_06: []}
    traded(mart, RISING, orders)
    assert trades_of(mart, "shares", "realized_pnl") == [(3, 0), (3, 30), (3, 30)]
    assert mart.execute("SELECT shares, unrealized_pnl FROM open_lots").fetchall() == [(1, 30)]


def test_symbols_have_lots_of_their_own(mart: Mart) -> None:
    quotes = {"AAPL": RISING["AAPL"], "MSFT": RISING["AAPL"]}
    traded(mart, quotes, {OCT_02: ["buy MSFT 1"], OCT_03: ["buy AAPL 1"], OCT_06: ["sell AAPL 1"]})
    assert trades_of(mart, "symbol", "entry_price") == [("AAPL", 110)]
    assert mart.execute("SELECT symbol, shares FROM open_lots").fetchall() == [("MSFT", 1)]


def test_a_session_that_is_not_scored_yet_joins_when_it_is(mart: Mart) -> None:
    quotes = {"AAPL": {**RISING["AAPL"], OCT_06: "120"}}
    traded(mart, quotes, {OCT_02: ["buy AAPL 10"], OCT_03: [], OCT_06: ["sell AAPL 10"]})
    assert trades_of(mart, "shares") == []
    assert mart.execute("SELECT date, shares FROM open_lots").fetchall() == [(day(OCT_03), 10)]
    assert mart.execute("SELECT max(date) FROM daily_summaries").fetchall() == [(day(OCT_03),)]


def test_rebuilding_changes_nothing_and_what_is_gone_leaves_no_row(mart: Mart) -> None:
    tables = (
        "trade_log",
        "open_lots",
        "hourly_snapshots",
        "daily_summaries",
        "weekly_summaries",
        "monthly_summaries",
    )
    traded(mart, RISING, {OCT_02: ["buy AAPL 10"], OCT_03: ["sell AAPL 4"], OCT_06: []})
    before = [mart.table(table).order("ALL").fetchall() for table in tables]
    rebuild(mart)
    assert [mart.table(table).order("ALL").fetchall() for table in tables] == before
    for table in ("positions", "holdings", "daily_pnl", "portfolio_timeseries"):
        mart.execute(f"TRUNCATE {table}")
    rebuild(mart)
    assert [mart.table(table).fetchall() for table in tables] == [[]] * len(tables)


# --- corporate actions ---


def action(
    kind: Any, date: str, symbol: str = "AAPL", value: str | None = None, to: str | None = None
) -> CorporateAction:
    return CorporateAction(symbol, day(date), kind, None if value is None else Decimal(value), to)


def test_a_split_scales_the_lots_and_leaves_their_cost(mart: Mart) -> None:
    orders = {OCT_02: ["buy AAPL 10"], OCT_03: [], OCT_06: ["sell AAPL 30"]}
    traded(mart, RISING, orders, [action("split", OCT_03, value="4")])
    assert trades_of(mart, "shares", "entry_price", "realized_pnl") == [(30, 25, 30 * 95)]
    assert mart.execute("SELECT shares, entry_value FROM open_lots").fetchall() == [(10, 250)]


def test_the_fraction_that_a_split_leaves_is_closed_at_what_is_paid_for_it(mart: Mart) -> None:
    orders = {OCT_02: ["buy AAPL 3", "buy AAPL 4"], OCT_03: [], OCT_06: ["sell AAPL 1"]}
    traded(mart, RISING, orders, [action("split", OCT_03, value="0.2")])
    shares, reason = "shares", "exit_reason"
    rows = trades_of(
        mart, "entry_action_id", shares, "entry_price", "exit_price", "realized_pnl", reason, "exit_action"
    )
    near = pytest.approx
    assert rows == [
        (1, near(0.4), 500, 110, near(Decimal(-156)), None, "split"),
        (1, near(0.2), 500, 120, near(Decimal(-76)), "manual", "sell"),
        (2, near(0.8), 500, 120, near(Decimal(-304)), "manual", "sell"),
    ]
    assert mart.execute("FROM open_lots").fetchall() == []


def test_a_split_that_leaves_not_one_share_closes_everything(mart: Mart) -> None:
    traded(mart, RISING, {OCT_02: ["buy AAPL 3"], OCT_03: [], OCT_06: []}, [action("split", OCT_03, value="0.1")])
    assert trades_of(mart, "shares", "realized_pnl", "exit_action") == [
        (pytest.approx(0.3), pytest.approx(Decimal(33 - 300)), "split")
    ]
    assert mart.execute("FROM open_lots").fetchall() == []


def test_a_renamed_holding_keeps_its_lots_and_the_old_ticker_begins_anew(mart: Mart) -> None:
    quotes = {"AAPL": RISING["AAPL"], "NEW": RISING["AAPL"]}
    orders = {OCT_02: ["buy AAPL 2"], OCT_03: ["buy AAPL 1"], OCT_06: ["sell NEW 1", "sell AAPL 1"]}
    traded(mart, quotes, orders, [action("symbol_change", OCT_03, to="NEW")])
    assert trades_of(mart, "symbol", "entry_date", "entry_price") == [
        ("NEW", day(OCT_02), 100),
        ("AAPL", day(OCT_03), 110),
    ]
    assert mart.execute("SELECT symbol, shares, entry_price FROM open_lots").fetchall() == [("NEW", 1, 100)]


def test_lots_that_a_renaming_brings_together_are_closed_by_their_age(mart: Mart) -> None:
    quotes = {"AAPL": RISING["AAPL"], "NEW": RISING["AAPL"]}
    orders = {OCT_02: ["buy NEW 1", "buy AAPL 1", "buy NEW 1", "sell NEW 1"], OCT_03: [], OCT_06: ["sell NEW 1"]}
    traded(mart, quotes, orders, [action("symbol_change", OCT_03, to="NEW")])
    assert trades_of(mart, "entry_action_id", "exit_date") == [(1, day(OCT_02)), (2, day(OCT_06))]
    assert mart.execute("SELECT entry_action_id, shares FROM open_lots").fetchall() == [(3, 1)]


def test_a_delisting_closes_at_what_is_paid(mart: Mart) -> None:
    orders: Mapping[str, Sequence[str]] = {OCT_02: ["buy AAPL 2"], OCT_03: [], OCT_06: []}
    traded(mart, RISING, orders, [action("delisting", OCT_03, value="0")])
    assert trades_of(mart, "exit_price", "realized_pnl", "realized_pnl_pct", "exit_reason", "exit_action") == [
        (0, -200, -100, None, "delisting")
    ]


# --- statistics ---


def statistics(mart: Mart, start: str | None = None, end: str | None = None) -> list[Row]:
    return rows_of(mart, trade_statistics_query(), {"start": start, "end": end})


def test_win_rate_and_profit_factor_are_those_of_the_golden_vector(mart: Mart) -> None:
    quotes: Quotes = {
        "AAPL": {OCT_02: ("100", "9"), OCT_03: ("400", "9"), OCT_06: ("200", "9"), OCT_07: ("100", "9")}
    }
    orders = {OCT_02: ["buy AAPL 2"], OCT_03: ["sell AAPL 1"], OCT_06: ["sell AAPL 1", "buy AAPL 1"]}
    traded(mart, quotes, {**orders, OCT_07: ["sell AAPL 1"]})
    [row] = statistics(mart)
    assert (row["total_trades"], row["winning_trades"], row["losing_trades"]) == (3, 2, 1)
    assert (row["win_rate"], row["profit_factor"]) == (pytest.approx(66.667, abs=1e-3), 4.0)
    assert (row["best_trade"], row["worst_trade"], row["no_losses"]) == (300, -100, False)
    assert row["average_holding_days"] == pytest.approx((1 + 4 + 1) / 3)


def test_without_losses_there_is_no_profit_factor_and_a_flag_says_why(mart: Mart) -> None:
    traded(mart, RISING, {OCT_02: ["buy AAPL 2"], OCT_03: ["sell AAPL 1"]})
    [row] = statistics(mart)
    assert (row["win_rate"], row["profit_factor"], row["no_losses"]) == (100, None, True)


def test_a_trade_that_breaks_even_is_no_win_and_no_loss(mart: Mart) -> None:
    traded(mart, FLAT, {OCT_02: ["buy AAPL 1"], OCT_03: ["sell AAPL 1"]})
    [row] = statistics(mart)
    assert (row["total_trades"], row["winning_trades"], row["losing_trades"]) == (1, 0, 0)
    assert (row["win_rate"], row["profit_factor"], row["no_losses"]) == (0, None, True)


def test_statistics_of_a_range_are_of_the_trades_that_were_closed_in_it(mart: Mart) -> None:
    traded(mart, RISING, {OCT_02: ["buy AAPL 9"], OCT_03: ["sell AAPL 1"], OCT_06: ["sell AAPL 1"]})
    assert [row["best_trade"] for row in statistics(mart, OCT_03, OCT_03)] == [10]
    assert [row["best_trade"] for row in statistics(mart, OCT_06)] == [20]
    assert statistics(mart, end=OCT_02) == []


# --- weeks and months ---


def flags(mart: Mart, table: str) -> list[tuple[Any, ...]]:
    columns = "period_start::VARCHAR, period_end::VARCHAR, sessions, is_partial"
    return mart.table(table).filter("kind = 'model'").order("period_start").project(columns).fetchall()


def test_a_period_is_partial_until_the_exchange_has_no_more_session_in_it(mart: Mart) -> None:
    traded(mart, FLAT, dict.fromkeys(TEN_DAYS[:6], ()))
    assert flags(mart, "weekly_summaries") == [
        ("2025-09-29", "2025-10-05", 2, False),
        ("2025-10-06", "2025-10-12", 4, True),
    ]
    assert flags(mart, "monthly_summaries") == [("2025-10-01", "2025-10-31", 6, True)]


def test_a_week_is_over_with_its_friday(mart: Mart) -> None:
    traded(mart, FLAT, dict.fromkeys(TEN_DAYS[:7], ()))
    assert [row[3] for row in flags(mart, "weekly_summaries")] == [False, False]


def test_a_trade_belongs_to_the_week_of_its_exit(mart: Mart) -> None:
    traded(mart, RISING, {OCT_02: ["buy AAPL 2"], OCT_03: ["sell AAPL 1"], OCT_06: ["sell AAPL 1"]})
    rows = rows_of(mart, "FROM weekly_summaries WHERE kind = 'model' ORDER BY period_start")
    assert [(row["total_trades"], row["best_trade"], row["win_rate"]) for row in rows] == [
        (1, 10, 100),
        (1, 20, 100),
    ]
    assert [(row["starting_equity"], row["ending_equity"]) for row in rows] == [(50_000, 50_021), (50_021, 50_030)]
    assert rows[1]["total_return_pct"] == pytest.approx(100 * 9 / 50_021)


def test_a_week_without_a_trade_has_no_win_rate(mart: Mart) -> None:
    traded(mart, FLAT, {OCT_02: []})
    [row] = rows_of(mart, "FROM weekly_summaries WHERE kind = 'model'")
    figures = ("win_rate", "profit_factor", "sharpe_ratio", "best_trade", "average_holding_days")
    assert [row[name] for name in figures] == [None] * 5
    assert (row["total_trades"], row["no_losses"], row["total_return_pct"]) == (0, False, 0)


def test_the_benchmarks_have_weeks_and_months_without_trades(mart: Mart) -> None:
    traded(mart, FLAT, {OCT_02: ["buy AAPL 1"], OCT_03: ["sell AAPL 1"]})
    rows = mart.execute("SELECT model_id, kind, total_trades FROM monthly_summaries ORDER BY 1").fetchall()
    assert rows == [("=cash", "benchmark", 0), (M, "model", 1)]


# --- days and marks ---


def test_the_newest_day_s_risk_is_that_of_the_metrics(mart: Mart) -> None:
    quotes: Quotes = {"AAPL": {date: (str(100 + n % 3), str(100 + n * n % 7)) for n, date in enumerate(TEN_DAYS)}}
    traded(mart, quotes, dict.fromkeys(TEN_DAYS, ("buy AAPL 40",)))
    assert mart.execute(
        "SELECT d.sharpe_ratio - m.sharpe_ratio, d.max_drawdown_pct - m.max_drawdown_pct "
        "FROM daily_summaries AS d JOIN performance_metrics AS m ON m.model = d.model_id AND m.last_date = d.date"
    ).fetchall() == [(pytest.approx(0, abs=1e-9), pytest.approx(0, abs=1e-9))]


def snapshots(mart: Mart, *columns: str) -> list[tuple[Any, ...]]:
    return mart.table("hourly_snapshots").order("timestamp").project(", ".join(columns)).fetchall()


def test_a_day_without_hourly_bars_has_a_snapshot_at_its_open_and_one_at_its_close(mart: Mart) -> None:
    traded(mart, RISING, {OCT_02: ["buy AAPL 10"]})
    close = OPEN + dt.timedelta(hours=6, minutes=30)
    assert snapshots(mart, "timestamp", "mark", "equity", "cash", "positions_value", "positions_count") == [
        (OPEN, "open", 50_000, 50_000, 0, 0),
        (close, "close", 50_010, 49_000, 1010, 1),
    ]


def add_hours(mart: Mart, symbol: str, opens: Mapping[int, int], date: str = OCT_02) -> None:
    """Hourly bars of a symbol, by the hour of the session at which they begin."""
    for hour, price in opens.items():
        at = dt.datetime.combine(day(date), OPEN.timetz()) + dt.timedelta(hours=hour)
        mart.execute(
            "INSERT INTO hourly_prices VALUES (?, ?, ?, ?, ?, ?, 1, 'test', ?)", [symbol, at, *[price] * 4, OPEN]
        )


TWO: Quotes = {symbol: {OCT_02: ("100", "101"), OCT_03: ("100", "101")} for symbol in ("AAPL", "MSFT")}


def test_hourly_bars_of_all_that_is_held_mark_the_day_hour_by_hour(mart: Mart) -> None:
    add_hours(mart, "AAPL", {0: 100, 1: 150, 2: 80, 3: 90})
    add_hours(mart, "MSFT", {0: 100, 1: 100, 3: 100})
    traded(mart, TWO, {OCT_02: ["buy AAPL 1", "buy MSFT 1"], OCT_03: []})
    rows = snapshots(mart, "date", "mark", "equity", "positions_count")
    assert rows == [
        (day(OCT_02), "hour", 50_000, 2),
        (day(OCT_02), "hour", 50_050, 2),
        (day(OCT_02), "hour", 49_990, 2),
        (day(OCT_03), "open", 50_000, 2),
        (day(OCT_03), "close", 50_002, 2),
    ]
    days = mart.execute(
        "SELECT high_equity, low_equity, closing_equity FROM daily_summaries ORDER BY date"
    ).fetchall()
    assert days == [(50_050, 49_990, 50_002), (50_002, 50_000, 50_002)]


def test_a_day_with_hourly_bars_of_a_part_of_what_is_held_has_its_two_marks(mart: Mart) -> None:
    add_hours(mart, "AAPL", {0: 100, 1: 150})
    traded(mart, TWO, {OCT_02: ["buy AAPL 1", "buy MSFT 1"]})
    assert [mark for (mark,) in snapshots(mart, "mark")] == ["open", "close"]


def test_cash_alone_is_marked_at_every_hour_that_is_known(mart: Mart) -> None:
    add_hours(mart, "AAPL", {0: 100, 1: 150})
    traded(mart, TWO, {OCT_02: []})
    assert snapshots(mart, "mark", "equity", "positions_count") == [("hour", 50_000, 0)] * 2


def test_a_portfolio_that_is_worth_nothing_has_no_snapshot_and_its_days_stand(mart: Mart) -> None:
    orders: Mapping[str, Sequence[str]] = {OCT_02: ["buy AAPL 10"], OCT_03: [], OCT_06: []}
    traded(mart, RISING, orders, [action("delisting", OCT_03, value="0")], cash=1000)
    assert {date for (date,) in snapshots(mart, "date")} == {day(OCT_02)}
    days = mart.execute(
        "SELECT closing_equity, daily_return_pct, max_drawdown_pct FROM daily_summaries ORDER BY date"
    )
    assert days.fetchall() == [(1010, pytest.approx(1), 0), (0, -100, 100), (0, 0, 100)]
    weeks = mart.execute(
        "SELECT ending_equity, total_return_pct FROM weekly_summaries WHERE kind = 'model' ORDER BY period_start"
    )
    assert weeks.fetchall() == [(0, -100), (0, None)]


# --- what the tables refuse ---

BAD = {
    "trade_log": {
        "a direction that there is not": {"direction": "'sideways'"},
        "no direction": {"direction": "NULL"},
        "an unknown exit reason": {"exit_reason": "'bored'"},
        "an unknown exit action": {"exit_action": "'dividend'"},
        "no shares": {"shares": "0"},
        "an entry below zero": {"entry_price": "-1"},
        "an exit below zero": {"exit_price": "-1"},
        "an exit before the entry": {"exit_time": "entry_time - INTERVAL 1 SECOND"},
        "a closing action before the opening one": {
            "exit_date": "entry_date",
            "exit_action_id": "entry_action_id",
        },
        "no profit": {"realized_pnl": "NULL"},
    },
    "open_lots": {
        "no shares": {"shares": "0"},
        "an entry below zero": {"entry_price": "-1"},
        "a mark below zero": {"mark_price": "-1"},
        "a value below zero": {"entry_value": "-1"},
        "a mark before the entry": {"date": "entry_date - 1"},
    },
    "hourly_snapshots": {
        "no equity": {"equity": "0", "cash": "0", "positions_value": "0"},
        "cash below zero": {"cash": "-1", "positions_value": "equity + 1"},
        "positions below zero": {"positions_value": "-1", "cash": "equity + 1"},
        "fewer than no positions": {"positions_count": "-1"},
        "parts that do not add up": {"cash": "cash + 1"},
        "an unknown mark": {"mark": "'noon'"},
        "a second one of the same moment": {},
    },
    "daily_summaries": {
        "a high below the close": {"high_equity": "closing_equity - 1"},
        "a low above the open": {"low_equity": "opening_equity + 1"},
        "an open below zero": {"opening_equity": "-1", "low_equity": "-1"},
        "a close below zero": {"closing_equity": "-1", "low_equity": "-1"},
        "fewer than no trades opened": {"trades_opened": "-1"},
        "fewer than no trades closed": {"trades_closed": "-1"},
        "a drawdown over all": {"max_drawdown_pct": "100.1"},
        "an infinite Sharpe ratio": {"sharpe_ratio": "'inf'::DOUBLE"},
        "a Sharpe ratio that is no number": {"sharpe_ratio": "'nan'::DOUBLE"},
        "a second one of the same day": {},
    },
}
_OF_A_PERIOD = {
    "an unknown kind": {"kind": "'human'"},
    "no session": {"sessions": "0"},
    "an end that is not its last day": {"period_end": "period_end - 1"},
    "equity below zero": {"ending_equity": "-1"},
    "more wins and losses than trades": {"total_trades": "0"},
    "a win rate over all": {"win_rate": "100.1"},
    "a profit factor below zero": {"profit_factor": "-0.1"},
    "a profit factor without losses": {"no_losses": "true", "profit_factor": "2"},
    "an infinite Sharpe ratio": {"sharpe_ratio": "'inf'::DOUBLE"},
    "a drawdown below zero": {"max_drawdown_pct": "-0.1"},
    "a second one of the same period": {},
}
BAD["weekly_summaries"] = {
    "a week from a Tuesday on": {"period_start": "period_start + 1", "period_end": "period_end + 1"}
} | _OF_A_PERIOD
BAD["monthly_summaries"] = {
    "a month from its second on": {"period_start": "period_start + 1"},
} | _OF_A_PERIOD


@pytest.fixture(scope="module")
def filled() -> Iterator[Mart]:
    """One mart for all that is refused: nothing of it stays."""
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        migrate(con)
        traded(con, RISING, {OCT_02: ["buy AAPL 2"], OCT_03: ["sell AAPL 1"]})
        yield con


REFUSED = [(table, name, bad) for table, cases in BAD.items() for name, bad in cases.items()]


@pytest.mark.parametrize(
    ("table", "bad"), [(t, b) for t, _, b in REFUSED], ids=[f"{t}: {n}" for t, n, _ in REFUSED]
)
def test_a_row_that_breaks_a_rule_is_refused(filled: Mart, table: str, bad: Mapping[str, str]) -> None:
    key = {"hourly_snapshots": "timestamp", "daily_summaries": "date"}.get(table, "model_id")
    good = f"FROM {table} WHERE model_id = '{M}' ORDER BY {key} LIMIT 1"
    # The same row under another name is taken: what is refused is refused for its values.
    renamed = {"model_id": "'other'", **bad} if bad else {}
    values = ", ".join(f"{value} AS {name}" for name, value in renamed.items())
    filled.execute("BEGIN")
    if bad:
        filled.execute(f"INSERT INTO {table} SELECT * REPLACE ('good' AS model_id) {good}")
    with pytest.raises(duckdb.ConstraintException):
        filled.execute(f"INSERT INTO {table} {f'SELECT * REPLACE ({values})' if bad else ''} {good}")
    filled.execute("ROLLBACK")


# --- identities ---


def test_lots_that_are_not_what_is_held_are_told_with_their_numbers(mart: Mart) -> None:
    traded(mart, RISING, {OCT_02: ["buy AAPL 10"], OCT_03: ["sell AAPL 4"], OCT_06: []})
    mart.execute("UPDATE open_lots SET shares = 5")
    assert violations(mart, TRADE_IDENTITIES[0]) == [
        f"{M} on {OCT_06}: the open lots of AAPL have 5.0 shares, 6 are held"
    ]


def test_a_trade_whose_profit_is_a_cent_off_is_told(mart: Mart) -> None:
    traded(mart, RISING, {OCT_02: ["buy AAPL 10"], OCT_03: ["sell AAPL 4"], OCT_06: []})
    mart.execute("UPDATE trade_log SET realized_pnl = realized_pnl + 0.01")
    assert violations(mart, TRADE_IDENTITIES[0]) == [
        f"{M} on {OCT_06}: trades and open lots moved -559.990000 of cash, not -560.000000"
    ]


def test_a_close_that_was_restated_since_it_was_scored_is_told_and_blocks_nothing(mart: Mart) -> None:
    traded(mart, RISING, {OCT_02: ["buy AAPL 10"], OCT_03: [], OCT_06: []})
    mart.execute("UPDATE prices SET close = 131 WHERE date = ?", [OCT_06])
    rebuild(mart)
    balance, marked = TRADE_IDENTITIES
    assert violations(mart, balance) == []
    assert violations(mart, marked) == [
        f"{M} on {OCT_06}: open lots are worth 1310.000000, scored were 1300.000000: a close was restated since"
    ]
    assert (balance.blocks, balance.ranks, marked.blocks, marked.ranks) == (True, True, False, False)


def test_books_that_do_not_balance_give_a_red_check_and_no_crash(mart: Mart) -> None:
    traded(mart, RISING, {OCT_02: ["buy AAPL 10"], OCT_03: ["sell AAPL 4"], OCT_06: []})
    mart.execute("UPDATE positions SET amount = 40 WHERE action_type = 'sell'")
    rebuild(mart)
    [told, *_] = violations(mart, TRADE_IDENTITIES[0])
    assert "AAPL" in told
