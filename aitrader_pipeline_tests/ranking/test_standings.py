"""Standings of every session in four timeframes: what each covers, ties, the views over them, what is rejected."""

import datetime as dt
import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from aitrader_pipeline.ranking.standings import rebuild_standings
from aitrader_pipeline.store.mart import migrate
from aitrader_pipeline_tests.series import Money, Row, add_daily_pnl, build_timeseries, rows_of, usd

Mart = duckdb.DuckDBPyConnection
# Thursday to Wednesday over the end of a month, closing at 20:00 UTC in summer time.
OCT_30, OCT_31, NOV_03, NOV_04, NOV_05 = (
    dt.date(2025, month, number) for month, number in ((10, 30), (10, 31), (11, 3), (11, 4), (11, 5))
)
WEEK = (OCT_30, OCT_31, NOV_03, NOV_04, NOV_05)


@pytest.fixture
def mart() -> Iterator[Mart]:
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        migrate(con)
        yield con


def rebuild(mart: Mart, risk_free_rate: float = 0.0) -> None:
    build_timeseries(mart)
    rebuild_standings(mart, calendar="XNAS", risk_free_rate=risk_free_rate)


def standing(mart: Mart, model: str, timeframe: str, date: dt.date) -> Row:
    query = "FROM leaderboard_snapshots WHERE model_id = $model AND timeframe = $timeframe AND date = $date"
    [row] = rows_of(mart, query, {"model": model, "timeframe": timeframe, "date": date})
    return row


def trade(mart: Mart, model: str, exit_date: dt.date, pnl: Money) -> None:
    """A trade that was closed on a session."""
    at = dt.datetime.combine(exit_date, dt.time(14), dt.UTC)
    row: Row = {
        "model_id": model,
        "symbol": "AAPL",
        "direction": "long",
        "entry_price": usd(100),
        "entry_time": at - dt.timedelta(days=1),
        "shares": 1.0,
        "exit_price": usd(100) + usd(pnl),
        "exit_time": at,
        "exit_reason": "manual",
        "realized_pnl": usd(pnl),
        "realized_pnl_pct": float(pnl),
        "created_at": at,
        "entry_date": exit_date - dt.timedelta(days=1),
        "entry_action_id": 1,
        "exit_date": exit_date,
        "exit_action_id": 1,
        "exit_action": "sell",
    }
    mart.execute("INSERT INTO trade_log BY NAME SELECT unnest($row)", {"row": row})


# --- what a timeframe covers ---


def test_each_timeframe_counts_from_the_equity_before_its_own_first_session(mart: Mart) -> None:
    add_daily_pnl(mart, "m", [1000, 1100, 1210, 1089, 1198, 1317], first=OCT_30)
    rebuild(mart)
    returns = {
        frame: float(round(standing(mart, "m", frame, NOV_04)["total_return_pct"], 6))
        for frame in ("daily", "weekly", "monthly", "all_time")
    }
    # The week and the month of Tuesday began on Monday, with Friday's close; the month has no session before.
    assert returns == {
        "daily": round(100 * (1198 / 1089 - 1), 6),
        "weekly": round(100 * (1198 / 1210 - 1), 6),
        "monthly": round(100 * (1198 / 1210 - 1), 6),
        "all_time": 19.8,
    }
    assert standing(mart, "m", "monthly", OCT_31)["total_return_dollars"] == 210
    assert [standing(mart, "m", frame, NOV_05)["sessions"] for frame in returns] == [1, 3, 3, 5]


def test_a_snapshot_is_taken_at_the_close_of_every_session(mart: Mart) -> None:
    add_daily_pnl(mart, "m", [1000] * 6, first=OCT_30)
    rebuild(mart)
    times = [standing(mart, "m", "daily", date)["snapshot_time"] for date in WEEK]
    # The clocks went back on the Sunday in between.
    assert times == [dt.datetime.combine(date, dt.time(20 if date < NOV_03 else 21), dt.UTC) for date in WEEK]


def test_drawdown_and_peak_are_those_of_the_timeframe(mart: Mart) -> None:
    add_daily_pnl(mart, "m", [1000, 2000, 1000, 1500, 1200, 1200], first=OCT_30)
    rebuild(mart)
    deepest = [standing(mart, "m", frame, NOV_04)["max_drawdown_pct"] for frame in ("daily", "weekly", "all_time")]
    assert deepest == [20, 20, 50]


def test_trades_count_in_the_timeframe_that_they_were_closed_in(mart: Mart) -> None:
    add_daily_pnl(mart, "m", [1000] * 6, first=OCT_30)
    for date, pnl in ((OCT_30, 300), (OCT_31, -100), (NOV_03, 100), (NOV_04, 0), (NOV_05, 50)):
        trade(mart, "m", date, pnl)
    rebuild(mart)
    names = ("total_trades", "win_rate", "profit_factor", "no_losses")
    figures = {
        (frame, date): tuple(standing(mart, "m", frame, date)[name] for name in names)
        for frame, date in (("daily", NOV_04), ("weekly", NOV_05), ("monthly", OCT_31), ("all_time", NOV_05))
    }
    assert figures == {
        ("daily", NOV_04): (1, 0, None, True),
        ("weekly", NOV_05): (3, pytest.approx(200 / 3), None, True),
        ("monthly", OCT_31): (2, 50, 3, False),
        ("all_time", NOV_05): (5, 60, 4.5, False),
    }


def test_without_trades_nothing_is_won_and_nothing_lost(mart: Mart) -> None:
    add_daily_pnl(mart, "m", [1000, 1100], first=OCT_30)
    rebuild(mart)
    row = standing(mart, "m", "all_time", OCT_30)
    assert (row["total_trades"], row["win_rate"], row["profit_factor"], row["no_losses"]) == (0, None, None, False)


def test_positions_and_exposure_are_those_at_the_close(mart: Mart) -> None:
    add_daily_pnl(mart, "m", [1000, 1000, 1000], first=OCT_30, cash=[1000, 250])
    for action, symbols in ((0, "A"), (1, "AB"), (2, "ABC")):
        mart.execute(
            "INSERT INTO positions BY NAME SELECT 'j' AS job_id, $d AS date, 'm' AS model, $a AS action_id, "
            "'buy' AS action_type, 0 AS costs, 1 AS cash, 1 AS portfolio_value, now() AS created_at",
            {"d": OCT_31, "a": action},
        )
        mart.executemany("INSERT INTO holdings VALUES (?, 'm', ?, ?, 1)", [[OCT_31, action, s] for s in symbols])
    rebuild(mart)
    found = [standing(mart, "m", "daily", date) for date in (OCT_30, OCT_31)]
    assert [(row["open_positions_count"], row["total_exposure_pct"]) for row in found] == [(0, 0), (3, 75)]


def test_a_session_ranks_those_who_have_it_and_everybody_stands_where_he_was_last(mart: Mart) -> None:
    add_daily_pnl(mart, "stopped", [1000, 2000, 3000], first=OCT_30)
    add_daily_pnl(mart, "newcomer", [1000, 1100], first=NOV_03)
    add_daily_pnl(mart, "steady", [1000] * 4, first=OCT_30)
    rebuild(mart)
    ranked = rows_of(
        mart,
        "SELECT model_id, rank FROM leaderboard_snapshots WHERE timeframe = 'all_time' AND date = '2025-11-03'",
    )
    assert {row["model_id"]: row["rank"] for row in ranked} == {"newcomer": 1, "steady": 2}
    now = rows_of(mart, "SELECT model_id, date, total_return_pct FROM current_standings ORDER BY 3 DESC")
    assert [tuple(row.values()) for row in now] == [
        ("stopped", OCT_31, 200),
        ("newcomer", NOV_03, 10),
        ("steady", NOV_03, 0),
    ]


# --- ranks ---


def test_equal_curves_share_a_rank_to_the_last_bit_and_the_next_place_stays_empty(mart: Mart) -> None:
    rng = random.Random(5)
    curve = [10_000.0]
    for _ in range(60):
        curve.append(round(curve[-1] * rng.gauss(1.001, 0.013), 2))
    # No holiday for sixty sessions. The short curve between the others moves where their rows are cut into pieces.
    start = dt.date(2025, 9, 2)
    for model in ("a", "b", "c"):
        add_daily_pnl(mart, model, curve, first=start)
    add_daily_pnl(mart, "aa", [10_000, 1], first=start)
    rebuild(mart)
    rows = rows_of(
        mart, "FROM leaderboard_snapshots WHERE model_id IN ('a', 'b', 'c') ORDER BY timeframe, date, model_id"
    )
    assert len(rows) == 3 * 4 * 60
    for first, *others in (rows[i : i + 3] for i in range(0, len(rows), 3)):
        alike = {name: value for name, value in first.items() if name != "model_id"}
        assert [{name: row[name] for name in alike} for row in others] == [alike, alike]
        assert first["rank"] == 1
    query = "SELECT DISTINCT rank FROM leaderboard_snapshots WHERE model_id = 'aa'"
    assert [row["rank"] for row in rows_of(mart, query)] == [4]


def test_who_has_nothing_to_start_from_has_no_place(mart: Mart) -> None:
    add_daily_pnl(mart, "broke", [1000, 500, 0, 0], first=OCT_30, cash=[0, 0, 0])
    add_daily_pnl(mart, "steady", [1000] * 4, first=OCT_30)
    rebuild(mart)
    query = "FROM leaderboard_snapshots WHERE model_id = 'broke' AND date = $d ORDER BY timeframe"
    rows = [(r["timeframe"], r["rank"], r["total_return_pct"]) for r in rows_of(mart, query, {"d": NOV_03})]
    assert rows == [("all_time", 2, -100)]
    now = rows_of(mart, "FROM current_standings WHERE model_id = 'broke'")[0]
    assert (now["current_equity"], now["max_drawdown_pct"], now["total_exposure_pct"]) == (0, 100, None)


def test_a_curve_without_deviation_has_no_sharpe_ratio_and_a_leap_beyond_all_measure_has_one(mart: Mart) -> None:
    add_daily_pnl(mart, "rising", [100, 110, 121, Decimal("133.1")], first=OCT_30)
    add_daily_pnl(mart, "leaping", [Decimal("0.01"), 10_000_000, 20_000_000, 10_000_000], first=OCT_30)
    rebuild(mart)
    assert standing(mart, "rising", "all_time", NOV_03)["sharpe_ratio"] is None
    assert standing(mart, "leaping", "all_time", NOV_03)["sharpe_ratio"] == pytest.approx(9.1651513899)
    assert standing(mart, "leaping", "weekly", NOV_03)["sharpe_ratio"] is None


# --- the views ---


def test_the_history_of_ranks_knows_the_rank_before_and_less_is_better(mart: Mart) -> None:
    add_daily_pnl(mart, "a", [1000, 1100, 1100, 1100], first=OCT_30)
    add_daily_pnl(mart, "b", [1000, 1000, 1200, 1200], first=OCT_30)
    rebuild(mart)
    rows = rows_of(
        mart,
        "SELECT model_id, date, rank, previous_rank, rank_change FROM rank_history "
        "WHERE timeframe = 'all_time' ORDER BY ALL",
    )
    assert [tuple(row.values()) for row in rows] == [
        ("a", OCT_30, 1, None, None),
        ("a", OCT_31, 2, 1, 1),
        ("a", NOV_03, 2, 2, 0),
        ("b", OCT_30, 2, None, None),
        ("b", OCT_31, 1, 2, -1),
        ("b", NOV_03, 1, 1, 0),
    ]


def test_top_performers_are_the_first_ten_of_the_newest_snapshot_and_who_ties_with_the_tenth(mart: Mart) -> None:
    for number in range(9):
        add_daily_pnl(mart, f"m{number}", [1000, 1000, 2000 - number], first=OCT_30)
    for tied in ("x", "y"):
        add_daily_pnl(mart, tied, [1000, 1000, 1500], first=OCT_30)
    add_daily_pnl(mart, "last", [1000, 5000, 1100], first=OCT_30)
    rebuild(mart)
    rows = rows_of(mart, "FROM top_performers ORDER BY timeframe, rank, model_id")
    assert {row["date"] for row in rows} == {OCT_31}
    by_frame = {
        row["timeframe"]: [r["model_id"] for r in rows if r["timeframe"] == row["timeframe"]] for row in rows
    }
    expected = [*(f"m{number}" for number in range(9)), "x", "y"]
    assert by_frame == dict.fromkeys(("all_time", "daily", "monthly", "weekly"), expected)


def decide(mart: Mart, model: str, number: int, at: str, symbol: str = "AAPL", decision: str = "buy") -> None:
    row: Row = {
        "job_id": "j",
        "date": dt.date.fromisoformat(at[:10]),
        "model_id": model,
        "decision_number": number,
        "symbol": symbol,
        "decision": decision,
        "confidence": 10.0 * number,
        "timestamp": dt.datetime.fromisoformat(f"{at}+00:00"),
        "executed": False,
        "execution_status": "rejected",
        "refusal": "no_price",
    }
    mart.execute("INSERT INTO decision_log BY NAME SELECT unnest($row)", {"row": row})


APART = {
    "the same moment": ("14:30:00", 0.0),
    "four minutes and some": ("14:34:30", 4.5),
    "five minutes exactly": ("14:35:00", 5.0),
    "a microsecond more": ("14:35:00.000001", None),
    "five minutes and 59 seconds": ("14:35:59", None),
    "five minutes before": ("14:25:00", 5.0),
    "a microsecond more before": ("14:24:59.999999", None),
}


@pytest.mark.parametrize(("at", "apart"), APART.values(), ids=APART)
@pytest.mark.parametrize("first", ["14:30:00"])
def test_decisions_are_compared_that_are_at_most_five_minutes_apart(
    mart: Mart, first: str, at: str, apart: float | None
) -> None:
    decide(mart, "a", 1, f"2025-10-30 {first}")
    decide(mart, "b", 1, f"2025-10-30 {at}")
    rows = rows_of(mart, "FROM decision_comparison")
    assert [row["time_diff_minutes"] for row in rows] == ([] if apart is None else [apart])


def test_a_comparison_is_of_two_models_in_their_order_on_one_symbol(mart: Mart) -> None:
    at = "2025-10-30 13:30:00"
    decide(mart, "b", 1, at)
    decide(mart, "b", 2, at, "MSFT")
    decide(mart, "a", 1, at, decision="sell")
    decide(mart, "a", 2, at)
    decide(mart, "c", 1, at, "NVDA")
    rows = rows_of(
        mart,
        "SELECT symbol, model_1_id, model_1_decision, model_1_confidence, model_2_id, model_2_decision, "
        "model_2_confidence FROM decision_comparison ORDER BY model_1_confidence",
    )
    assert [tuple(row.values()) for row in rows] == [
        ("AAPL", "a", "sell", 10, "b", "buy", 10),
        ("AAPL", "a", "buy", 20, "b", "buy", 10),
    ]


def test_decisions_on_both_sides_of_midnight_and_of_1970_are_compared(mart: Mart) -> None:
    for number, (early, late) in enumerate(
        (("2025-10-30 23:58:00", "2025-10-31 00:01:00"), ("1969-12-31 23:58:00", "1970-01-01 00:03:00")), start=1
    ):
        decide(mart, "a", number, early)
        decide(mart, "b", number, late)
    rows = rows_of(mart, "SELECT time_diff_minutes FROM decision_comparison ORDER BY 1")
    assert [row["time_diff_minutes"] for row in rows] == [3, 5]


# --- rebuilding and rejecting ---


def test_a_rebuild_of_the_same_books_changes_nothing_and_drops_what_is_gone(mart: Mart) -> None:
    add_daily_pnl(mart, "a", [1000, 1100, 1050], first=OCT_30)
    add_daily_pnl(mart, "b", [1000, 1000, 1200], first=OCT_30)
    rebuild(mart)
    before = rows_of(mart, "FROM leaderboard_snapshots ORDER BY ALL")
    rebuild(mart)
    assert rows_of(mart, "FROM leaderboard_snapshots ORDER BY ALL") == before
    mart.execute("DELETE FROM daily_pnl WHERE model = 'b'")
    rebuild(mart)
    assert {row["model_id"] for row in rows_of(mart, "FROM leaderboard_snapshots")} == {"a"}
    assert {row["model_id"] for row in rows_of(mart, "FROM current_standings")} == {"a"}


def test_an_arena_without_a_scored_session_has_empty_standings(mart: Mart) -> None:
    rebuild(mart)
    assert rows_of(mart, "FROM leaderboard_snapshots") == rows_of(mart, "FROM current_standings") == []


STANDING: dict[str, Any] = {
    "model_id": "m",
    "kind": "model",
    "snapshot_time": dt.datetime(2025, 10, 30, 20, tzinfo=dt.UTC),
    "date": OCT_30,
    "sessions": 1,
    "total_return_pct": 1.0,
    "total_return_dollars": 100,
    "current_equity": 10_100,
    "total_trades": 0,
    "no_losses": False,
}
BAD: dict[str, dict[str, Any]] = {
    "an unknown kind": {"kind": "ghost"},
    "no session": {"sessions": 0},
    "no return": {"total_return_pct": None},
    "an infinite return": {"total_return_pct": float("inf")},
    "a return that is no number": {"total_return_pct": float("nan")},
    "equity below nothing": {"current_equity": -1},
    "a Sharpe ratio that is no number": {"sharpe_ratio": float("nan")},
    "a drawdown above 100": {"max_drawdown_pct": 101},
    "a drawdown below 0": {"max_drawdown_pct": -1},
    "trades below none": {"total_trades": -1},
    "a win rate above 100": {"win_rate": 100.1},
    "a profit factor below 0": {"profit_factor": -0.1},
    "a profit factor without losses": {"profit_factor": 2.0, "no_losses": True},
    "positions below none": {"open_positions_count": -1},
    "an exposure below 0": {"total_exposure_pct": -1},
    "a second one": {},
}
BAD_SNAPSHOTS: dict[str, dict[str, Any]] = {
    **BAD,
    "an unknown timeframe": {"timeframe": "yearly"},
    "no timeframe": {"timeframe": None},
    "a rank of 0": {"rank": 0},
    "a rank of 0 before": {"previous_rank": 0},
}


@pytest.mark.parametrize("bad", BAD_SNAPSHOTS.values(), ids=BAD_SNAPSHOTS)
def test_a_snapshot_that_cannot_be_is_rejected(mart: Mart, bad: dict[str, Any]) -> None:
    insert = "INSERT INTO leaderboard_snapshots BY NAME SELECT unnest($row)"
    good = {**STANDING, "timeframe": "daily", "rank": 1}
    mart.execute(insert, {"row": good})
    moved = {"date": OCT_31, "snapshot_time": dt.datetime(2025, 10, 31, 20, tzinfo=dt.UTC)} if bad else {}
    with pytest.raises(duckdb.ConstraintException):
        mart.execute(insert, {"row": {**good, **moved, **bad}})


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_standing_that_cannot_be_is_rejected(mart: Mart, bad: dict[str, Any]) -> None:
    insert = "INSERT INTO current_standings BY NAME SELECT unnest($row)"
    mart.execute(insert, {"row": STANDING})
    with pytest.raises(duckdb.ConstraintException):
        mart.execute(insert, {"row": {**STANDING, "model_id": "another" if bad else "m", **bad}})
