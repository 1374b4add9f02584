"""The tables of decision science against a recomputation that shares no code with them, and what they refuse."""

import datetime as dt
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from aitrader_pipeline.market.actions import CorporateAction
from aitrader_pipeline.ranking.decision_tables import TABLES, rebuild_decision_tables
from aitrader_pipeline.ranking.market_models import rebuild_market_models
from aitrader_pipeline.ranking.trades import rebuild_trades
from aitrader_pipeline.store.mart import migrate
from aitrader_pipeline.store.staging import insert_rows
from aitrader_pipeline_tests.arena_homes import ArenaHome, sample_arena
from aitrader_pipeline_tests.benchmark_data import import_benchmark_books, write_benchmark_config
from aitrader_pipeline_tests.decision_oracle import (
    Market,
    Order,
    agreement,
    calibration,
    outcomes,
    profits,
)
from aitrader_pipeline_tests.markets import OCT_02, TEN_DAYS, Quotes, day
from aitrader_pipeline_tests.random_ledgers import SYMBOLS, LedgerArena, fill_mart, random_arena, scripted_arena
from aitrader_pipeline_tests.series import rows_of
from aitrader_pipeline_tests.trade_oracle import work_out

Mart = duckdb.DuckDBPyConnection
SEEDS, PORTFOLIOS = range(10), 5


@pytest.fixture
def mart() -> Iterator[Mart]:
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        migrate(con)
        yield con


def near(expected: Any) -> Any:
    return (
        expected if expected is None or isinstance(expected, str | bool) else pytest.approx(expected, 1e-7, 2e-6)
    )


def nearly(expected: dict[str, Any]) -> dict[str, Any]:
    return {name: near(value) for name, value in expected.items()}


def add_orders(con: Mart, orders: Sequence[Order]) -> None:
    columns = (
        "job_id", "date", "model_id", "decision_number", "symbol", "decision", "confidence", "timestamp",
        "executed", "execution_price", "execution_time", "execution_status", "action_id", "refusal",
    )  # fmt: skip
    rows = []
    for o in orders:
        opened = dt.datetime.combine(o.date, dt.time(14, 30), dt.UTC)
        filled = (
            ("1", opened, "filled", o.number, None) if o.executed else (None, None, "rejected", None, "no_price")
        )
        rows.append(("l", o.date, o.model, o.number, o.symbol, o.side, o.confidence, opened, o.executed, *filled))
    insert_rows(con, "decision_log", columns, rows)


def random_orders(seed: int, arena: LedgerArena) -> list[Order]:
    """The fills of all records as orders, refused ones among them, some with a confidence."""
    rng = random.Random(seed)
    orders = []
    for record in arena.records:
        sides = [(fill.symbol, fill.type, True) for fill in record.fills]
        sides += [
            (rng.choice([*SYMBOLS, "NONE"]), rng.choice(["buy", "sell"]), False) for _ in range(rng.randrange(3))
        ]
        rng.shuffle(sides)
        for number, (symbol, side, executed) in enumerate(sides, start=1):
            confidence = rng.choice([None, float(rng.randrange(0, 101, 5))])
            orders.append(Order(record.date, record.model, number, symbol, str(side), executed, confidence))
    return orders


def agrees(con: Mart, orders: Sequence[Order], market: Market) -> None:
    """Outcomes, agreement and calibration are those that are worked out by hand."""
    made = outcomes(orders, market)
    rows = rows_of(con, "FROM decision_outcomes")
    found = {(row.pop("model"), row.pop("date"), row.pop("symbol")): row for row in rows}
    assert found.keys() == made.keys()
    assert {key: row for key, row in found.items() if row != nearly(made[key])} == {}
    traded: dict[str, set[dt.date]] = defaultdict(set)
    for row in rows_of(con, "SELECT model, date FROM daily_pnl"):
        traded[row["model"]].add(row["date"])
    pairs = agreement(orders, traded, market)
    stored = {(r.pop("model_1"), r.pop("model_2")): r for r in rows_of(con, "FROM model_agreement")}
    assert stored.keys() == pairs.keys()
    for pair, row in stored.items():
        assert (row.pop("reason") is None) == (row["kappa"] is not None)
        assert row == nearly(pairs[pair])
    for model in traded:
        query = "FROM confidence_calibration WHERE model = $model"
        buckets = {row["bucket"]: row for row in rows_of(con, query, {"model": model})}
        wanted = calibration(made, model)
        assert buckets.keys() == (wanted.keys() or {"all"})
        for name, figures in wanted.items():
            assert {figure: buckets[name][figure] for figure in figures} == nearly(figures)
            low, high = (buckets[name][f"hit_rate_{end}_pct"] for end in ("low", "high"))
            assert low - 1e-9 <= buckets[name]["hit_rate_pct"] <= high + 1e-9
        scored = buckets["all"]
        if scored["decisions"]:
            parts = scored["reliability"] - scored["resolution"] + scored["uncertainty"]
            assert parts == pytest.approx(scored["brier_score"])


def profits_agree(con: Mart, arena: LedgerArena, market: Market) -> None:
    """Profit by symbol is what is worked out by hand, and all of it is the model's profit."""
    worked = work_out(arena.records, arena.bars, arena.actions)
    for model, portfolio in worked.items():
        query = "FROM profit_by_symbol WHERE model = $model"
        rows = {row["symbol"]: row for row in rows_of(con, query, {"model": model})}
        scored = set(portfolio.days["date"])
        fills = [
            (record.date, a.type, a.symbol, a.amount, a.price, getattr(a, "costs", Decimal(0)))
            for record in arena.records
            if record.model == model and record.date in scored
            for a in record.actions
            if a.type in ("buy", "sell", "dividend") and a.price is not None
        ]
        wanted = profits(portfolio, fills, market)
        columns = ("realized_pnl", "unrealized_pnl", "dividends", "costs", "trades")
        assert rows.keys() == wanted.keys()
        for symbol, row in rows.items():
            assert [float(row[column]) for column in columns] == pytest.approx(wanted[symbol], abs=1e-4)
        (total,) = rows_of(
            con,
            "SELECT max_by(cumulative_profit, date) AS profit FROM portfolio_timeseries WHERE model = $model",
            {"model": model},
        )
        assert float(sum(row["profit"] for row in rows.values())) == pytest.approx(
            float(total["profit"]), abs=0.01
        )


def test_a_profit_is_counted_under_the_sector_that_the_newest_ticker_has(mart: Mart) -> None:
    fill_mart(mart, random_arena(1, PORTFOLIOS))
    rebuild_trades(mart, calendar="XNAS")
    rebuild_decision_tables(mart)
    profits = "SELECT symbol, model, profit, trades FROM profit_by_symbol ORDER BY ALL"
    without = mart.execute(profits).fetchall()
    counted = without[0][0]
    rebuild_decision_tables(mart, {counted: "Software", "NOBODY": "Rails"})
    assert mart.execute(profits).fetchall() == without
    told = mart.execute("SELECT DISTINCT symbol, sector FROM profit_by_symbol ORDER BY symbol").fetchall()
    assert told == [
        (symbol, "Software" if symbol == counted else None) for symbol in sorted({row[0] for row in without})
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_tables_of_random_ledgers_are_those_that_are_worked_out_by_hand(mart: Mart, seed: int) -> None:
    arena = random_arena(seed, PORTFOLIOS)
    orders = random_orders(seed, arena)
    fill_mart(mart, arena)
    add_orders(mart, orders)
    rebuild_trades(mart, calendar="XNAS")
    counts = rebuild_decision_tables(mart)
    assert set(counts) == set(TABLES)
    market = Market.since(min(order.date for order in orders), arena.bars, arena.actions)
    agrees(mart, orders, market)
    profits_agree(mart, arena, market)
    before = {table: sorted(map(str, mart.table(table).fetchall())) for table in TABLES}
    assert rebuild_decision_tables(mart) == counts
    assert {table: sorted(map(str, mart.table(table).fetchall())) for table in TABLES} == before


def stored_orders(con: Mart) -> list[Order]:
    query = "SELECT date, model_id, decision_number, symbol, decision, executed, confidence FROM decision_log"
    return [Order(*row) for row in con.execute(query).fetchall()]


def market_of(con: Mart, first: dt.date) -> Market:
    bars = {
        (s, d): (o, c) for s, d, o, c in con.execute("SELECT symbol, date, open, close FROM prices").fetchall()
    }
    actions = con.execute("SELECT symbol, ex_date, kind, value, new_symbol FROM corporate_actions").fetchall()
    return Market.since(first, bars, [CorporateAction(*row) for row in actions])


def whole_arena_agrees(arena: ArenaHome) -> None:
    with duckdb.connect(str(arena.mart), read_only=True) as con:
        con.execute("SET TimeZone = 'UTC'")
        orders = stored_orders(con)
        assert len(orders) > 20
        market = market_of(con, min(order.date for order in orders))
        agrees(con, orders, market)
        books = LedgerArena(list(arena.all_records().values()), market.bars, market.actions)
        profits_agree(con, books, market)
        slopes_agree(con)


def slopes_agree(con: Mart) -> None:
    """Beta, alpha and the share explained are those of a line through the days that both have."""
    curves: dict[str, dict[dt.date, float]] = defaultdict(dict)
    for model, date, percent in con.execute(
        "SELECT model, date, daily_return_pct FROM portfolio_timeseries"
    ).fetchall():
        curves[model][date] = percent / 100
    rows = rows_of(con, "FROM market_models")
    kinds = dict(con.execute("SELECT DISTINCT model, kind FROM portfolio_timeseries").fetchall())
    benchmarks = {model for model, kind in kinds.items() if kind == "benchmark" and model != "=cash"}
    models = {model for model, kind in kinds.items() if kind != "benchmark"}
    assert {(row["model"], row["benchmark"]) for row in rows} == {(m, b) for m in models for b in benchmarks}
    for row in rows:
        own, market = curves[row["model"]], curves[row["benchmark"]]
        dates = sorted(own.keys() & market.keys())
        y, x = (np.array([curve[date] for date in dates]) for curve in (own, market))
        beta, alpha = np.polyfit(x, y, 1)
        assert row["sessions"] == len(dates)
        assert (row["beta"], row["alpha_annual_pct"]) == (near(beta), near(25200 * alpha))
        if y.std() > 1e-12:
            assert row["r_squared"] == near(np.corrcoef(x, y)[0, 1] ** 2)
        else:
            assert (row["r_squared"], row["reason"]) == (None, "the portfolio does not move")


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> ArenaHome:
    arena = sample_arena(tmp_path_factory.mktemp("sample"), "2012-10-01", "2012-11-09")
    arena.ok("run")
    return arena


@pytest.mark.slow
def test_the_tables_of_the_sample_arena_are_those_that_are_worked_out_by_hand(sample: ArenaHome) -> None:
    whole_arena_agrees(sample)


def test_a_divergence_is_every_symbol_on_which_two_models_parted(sample: ArenaHome) -> None:
    """The view's rows are those that the summary counts, with the same mean returns of each side."""
    query = (
        "SELECT model_1, model_2, count(*) AS diverging, avg(COLUMNS('side_return_.*')) AS '\\0' "
        "FROM decision_divergence GROUP BY ALL"
    )
    with duckdb.connect(str(sample.mart), read_only=True) as con:
        found = {(row.pop("model_1"), row.pop("model_2")): row for row in rows_of(con, query)}
        summary = {(row["model_1"], row["model_2"]): row for row in rows_of(con, "FROM model_agreement")}
        assert len(found) > 10
        assert sum(row["diverging"] for row in found.values()) == sum(row["diverging"] for row in summary.values())
        for pair, row in found.items():
            assert {name: summary[pair][name] for name in row} == nearly(row)
        (choices,) = con.execute("SELECT list_sort(list(DISTINCT decision_1)) FROM decision_divergence").fetchall()
        assert choices == (["buy", "none", "sell"],)


def test_the_tables_of_the_benchmark_s_own_books_are_those_that_are_worked_out_by_hand(tmp_path: Path) -> None:
    arena = import_benchmark_books(write_benchmark_config(tmp_path))
    whole_arena_agrees(arena)


# --- by hand ---

M = "model-a"


def bought(mart: Mart, quotes: Quotes, actions: Sequence[CorporateAction] = ()) -> list[tuple[Any, ...]]:
    """Forward returns of a symbol that is ordered on the first day."""
    fill_mart(mart, scripted_arena(quotes, {OCT_02: ["buy AAPL 10"]}, actions))
    add_orders(mart, [Order(day(OCT_02), M, 1, "AAPL", "buy", True, 80.0)])
    rebuild_trades(mart, calendar="XNAS")
    rebuild_decision_tables(mart)
    return mart.execute(
        "SELECT round(COLUMNS('forward_.*'), 9) FROM forward_returns WHERE symbol = 'AAPL' AND date = ?", [OCT_02]
    ).fetchall()


CLOSES = {date: ("100", str(101 + number)) for number, date in enumerate(TEN_DAYS)}


def test_a_forward_return_is_from_the_open_to_the_close_of_the_last_of_so_many_sessions(mart: Mart) -> None:
    assert bought(mart, {"AAPL": CLOSES}) == [(1.0, 5.0, None)]


def test_a_split_and_a_dividend_on_the_way_change_no_return(mart: Mart) -> None:
    halved = {date: ("100", str((101 + n) / (1 if n < 2 else 2))) for n, date in enumerate(TEN_DAYS)}
    split = CorporateAction("AAPL", day(TEN_DAYS[2]), "split", Decimal(2))
    paid = CorporateAction("AAPL", day(TEN_DAYS[4]), "dividend", Decimal("5.25"))
    # A tenth more shares than two, at 52.5.
    assert bought(mart, {"AAPL": halved}, [split, paid]) == [(1.0, 15.5, None)]


def test_what_is_bought_on_the_ex_date_gets_no_dividend(mart: Mart) -> None:
    paid = CorporateAction("AAPL", day(OCT_02), "dividend", Decimal(50))
    assert bought(mart, {"AAPL": CLOSES}, [paid]) == [(1.0, 5.0, None)]


def test_a_renamed_symbol_goes_on_under_its_new_ticker(mart: Mart) -> None:
    renamed = CorporateAction("AAPL", day(TEN_DAYS[3]), "symbol_change", None, "NEW")
    others = dict.fromkeys(TEN_DAYS[3:], ("100", "7"))
    quotes = {"AAPL": {**CLOSES, **others}, "NEW": {date: CLOSES[date] for date in TEN_DAYS[3:]}}
    assert bought(mart, quotes, [renamed]) == [(1.0, 5.0, None)]


def test_a_split_of_the_new_ticker_on_the_day_of_the_renaming_comes_before_it(mart: Mart) -> None:
    renamed = CorporateAction("AAPL", day(TEN_DAYS[3]), "symbol_change", None, "NEW")
    split = CorporateAction("NEW", day(TEN_DAYS[3]), "split", Decimal(2))
    quotes = {"AAPL": CLOSES, "NEW": {date: CLOSES[date] for date in TEN_DAYS[3:]}}
    assert bought(mart, quotes, [renamed, split]) == [(1.0, 5.0, None)]


def test_without_a_bar_on_the_last_session_a_return_is_not_known(mart: Mart) -> None:
    gone = {date: CLOSES[date] for date in TEN_DAYS[:4]}
    assert bought(mart, {"AAPL": gone, "MSFT": CLOSES}) == [(1.0, None, None)]


def test_a_model_without_a_stated_confidence_has_a_reason(mart: Mart) -> None:
    fill_mart(mart, scripted_arena({"AAPL": CLOSES}, {OCT_02: ["buy AAPL 10"]}))
    rebuild_trades(mart, calendar="XNAS")
    assert rebuild_decision_tables(mart)["confidence_calibration"] == 1
    (row,) = rows_of(mart, "SELECT bucket, decisions, brier_score, reason FROM confidence_calibration")
    assert row == {
        "bucket": "all",
        "decisions": 0,
        "brier_score": None,
        "reason": "no call with a confidence and a known outcome",
    }


def test_an_empty_mart_gives_empty_tables(mart: Mart) -> None:
    assert rebuild_decision_tables(mart) == dict.fromkeys(TABLES, 0)
    assert rebuild_market_models(mart, risk_free_rate=0.0) == 0


# --- what the tables refuse ---

D = "DATE '2025-10-02'"
LEAK = f"leak_findings BY NAME SELECT {D} AS date, 'm' AS model, 1 AS finding, 'x' AS value, 'x' AS text"
PAIR = "model_agreement BY NAME SELECT 1 AS sessions, 1 AS decisions, 0 AS diverging"
BUCKET = "confidence_calibration BY NAME SELECT 'm' AS model"
BETA = "market_models BY NAME SELECT 'm' AS model, 'b' AS benchmark, 9 AS sessions, 1 AS lags"
REFUSED = {
    "a finding of nobody": f"{LEAK}, 1 AS step_number, 'heard' AS source, 'later_date' AS kind, {D} AS of_date",
    "a finding of no kind": f"{LEAK}, 1 AS step_number, 'told' AS source, 'rumour' AS kind, {D} AS of_date",
    "a price of nothing": f"{LEAK}, 1 AS step_number, 'told' AS source, 'later_price' AS kind, {D} AS of_date",
    "a leak of the past": f"{LEAK}, 1 AS step_number, 'told' AS source, 'later_date' AS kind, {D} - 1 AS of_date",
    "a finding nowhere": f"{LEAK}, 0 AS step_number, 'told' AS source, 'later_date' AS kind, {D} AS of_date",
    "a date of a symbol": f"{LEAK}, 1 AS step_number, 'told' AS source, 'later_date' AS kind, {D} AS of_date, "
    "'A' AS symbol",
    "a count below zero": f"leak_counts VALUES ({D}, 'm', -1, 0)",
    "a count of nothing said": f"leak_counts VALUES ({D}, 'm', 0, NULL)",
    "two counts of a session": f"leak_counts VALUES ({D}, 'm', 0, 0), ({D}, 'm', 0, 0)",
    "two returns of a session": f"forward_returns VALUES ('A', {D}, 1, 1, 1), ('A', {D}, 2, 2, 2)",
    "an outcome of no order": f"decision_outcomes VALUES ({D}, 'm', 'A', 'hold', 1, true, 1, 1, 1)",
    "a confidence above 100": f"decision_outcomes VALUES ({D}, 'm', 'A', 'buy', 101, true, 1, 1, 1)",
    "a pair the wrong way round": f"{PAIR}, 'b' AS model_1, 'a' AS model_2, 0.5 AS kappa",
    "a kappa above 1": f"{PAIR}, 'a' AS model_1, 'b' AS model_2, 1.5 AS kappa",
    "no kappa and no reason": f"{PAIR}, 'a' AS model_1, 'b' AS model_2",
    "a score of a bucket": f"{BUCKET}, '0-10' AS bucket, 1 AS decisions, 0.5 AS brier_score",
    "a rate above 100": f"{BUCKET}, '0-10' AS bucket, 1 AS decisions, 101 AS hit_rate_pct",
    "no decisions and no reason": f"{BUCKET}, 'all' AS bucket, 0 AS decisions",
    "a profit that is not the sum": "profit_by_symbol VALUES ('m', 'A', NULL, 1, 1, 1, 1, 3, 1)",
    "dividends below zero": "profit_by_symbol VALUES ('m', 'A', NULL, 1, 1, -1, 0, 1, 1)",
    "a beta without an alpha": f"{BETA}, 1 AS beta",
    "neither beta nor reason": BETA,
    "a p-value above 1": f"{BETA}, 1 AS beta, 1 AS alpha_annual_pct, 1.1 AS alpha_p_value",
}
TAKEN = (
    f"{LEAK}, 1 AS step_number, 'told' AS source, 'later_price' AS kind, {D} AS of_date, 'A' AS symbol",
    f"leak_counts VALUES ({D}, 'm', 0, 1)",
    f"decision_outcomes VALUES ({D}, 'm', 'A', 'sell', NULL, false, NULL, NULL, NULL)",
    f"{PAIR}, 'a' AS model_1, 'b' AS model_2, 'none' AS reason",
    f"{BUCKET}, '0-10' AS bucket, 1 AS decisions",
    "profit_by_symbol VALUES ('m', 'A', NULL, 1, 1, 1, 1, 2, 1)",
    f"{BETA}, 'few' AS reason",
)


@pytest.mark.parametrize("row", REFUSED.values(), ids=REFUSED)
def test_a_row_that_cannot_be_is_refused(mart: Mart, row: str) -> None:
    with pytest.raises(duckdb.ConstraintException):
        mart.execute(f"INSERT INTO {row}")


@pytest.mark.parametrize("row", TAKEN)
def test_a_row_that_can_be_is_taken(mart: Mart, row: str) -> None:
    mart.execute(f"INSERT INTO {row}")


# --- the command ---


def test_the_command_tells_who_decides_alike_and_where_two_parted(sample: ArenaHome) -> None:
    pairs = sample.ok("decisions", "--format", "json").json
    kappas = [pair["kappa"] for pair in pairs]
    assert len(pairs) == 15
    assert kappas == sorted(kappas, reverse=True)
    parted = sample.ok("decisions", "random", "momentum", "--start", "2012-10-08", "--format", "json").json
    assert {(row["model_1"], row["model_2"]) for row in parted} == {("momentum", "random")}
    assert min(row["date"] for row in parted) >= "2012-10-08"
    assert all(row["decision_1"] != row["decision_2"] for row in parted)
    table = sample.ok("decisions", "random", "momentum").out
    assert "momentum" in table
    assert "return after 20" in table
    assert "kappa" in sample.ok("decisions").out


def test_the_command_says_what_is_wrong_with_a_call(sample: ArenaHome) -> None:
    for words, said in {
        ("random",): "name two models, or none for all pairs, not 1",
        ("random", "random"): "name two different models, not random twice",
        ("random", "nobody"): "there is no session of nobody; there are of: buy-and-hold, cash, equal-weight,",
        ("random", "momentum", "--start", "2013-03-04"): "momentum and random parted on nothing in that range",
    }.items():
        answer = sample.aitrader("decisions", *words)
        assert answer.status != 0
        assert said in answer.said
