"""Replicas as one competitor, the cloud of random traders, training cutoffs: against a recomputation by hand."""

import datetime as dt
import json
import random
import statistics
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from aitrader_pipeline.performance.series import rebuild_metrics
from aitrader_pipeline.ranking.contamination import rebuild_contamination
from aitrader_pipeline.ranking.null_cloud import rebuild_null_standing
from aitrader_pipeline.ranking.replicas import rebuild_replica_groups
from aitrader_pipeline.results.grouped_board import grouped
from aitrader_pipeline.store.mart import reading
from aitrader_pipeline_tests.arena_homes import ArenaHome, priced_arena, sample_arena
from aitrader_pipeline_tests.benchmark_data import import_benchmark_books, write_benchmark_config
from aitrader_pipeline_tests.equity_curves import EquityCurve, add_curve, curves_of
from aitrader_pipeline_tests.markets import FLAT
from aitrader_pipeline_tests.series import open_mart, rows_of, usd, weekdays

Mart = duckdb.DuckDBPyConnection
Row = dict[str, Any]
FIRST = dt.date(2025, 1, 2)
FIGURES = ("return_pct", "sharpe_ratio", "max_drawdown_pct")
RATE = 0.04


@pytest.fixture
def mart(tmp_path: Path) -> Iterator[Mart]:
    with open_mart(tmp_path / "arena.duckdb") as con:
        yield con


def compete(
    mart: Mart, model: str, *, trader: str = "openai", replica_of: str | None = None, cutoff: dt.date | None = None
) -> None:
    mart.execute("INSERT INTO competitors VALUES (?, ?, ?, ?)", [model, replica_of, trader, cutoff])


def curve(model: str, values: Iterable[float], *, kind: str = "model", first: dt.date = FIRST) -> EquityCurve:
    """A curve from its starting cash on, session after session."""
    start, *marks = map(usd, values)
    return EquityCurve(model, kind, start, dict(zip(weekdays(first, len(marks)), marks, strict=True)))


def rebuild(mart: Mart, rate: float = 0.0) -> None:
    rebuild_metrics(mart, risk_free_rate=rate)
    rebuild_replica_groups(mart, risk_free_rate=rate)
    rebuild_null_standing(mart, risk_free_rate=rate)
    rebuild_contamination(mart, risk_free_rate=rate)


def table(mart: Mart, name: str) -> dict[Any, Row]:
    return {
        (row["model"], row["period"]) if "period" in row else row["model"]: row
        for row in rows_of(mart, f"FROM {name}")
    }


# --- from scratch ---


def expected_groups(
    curves: Mapping[str, EquityCurve], replica_of: Mapping[str, str], rate: float
) -> dict[str, Row]:
    members: dict[str, list[EquityCurve]] = {}
    for model, own in curves.items():
        if model not in replica_of.values():
            members.setdefault(replica_of.get(model, model), []).append(own)
    groups: dict[str, Row] = {}
    for name, replicas in members.items():
        dates = sorted(set.intersection(*(set(r.values) for r in replicas)))
        if not dates:
            continue
        figures = [r.figures(dates, rate) for r in replicas]
        row: Row = {"kind": replicas[0].kind, "replicas": len(replicas), "sessions": len(dates)}
        for figure in FIGURES:
            known = [value for each in figures if (value := each[figure]) is not None]
            row[f"mean_{figure}"] = statistics.fmean(known) if known else None
            row[f"deviation_{figure}"] = statistics.stdev(known) if len(known) > 1 else None
            row[f"low_{figure}"] = min(known, default=None)
            row[f"high_{figure}"] = max(known, default=None)
        row["mean_portfolio_value"] = statistics.fmean(float(r.values[dates[-1]]) for r in replicas)
        groups[name] = row
    return groups


def expected_standings(
    curves: Mapping[str, EquityCurve], random_traders: Iterable[str], rate: float
) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for model, own in curves.items():
        dates = sorted(own.values)
        cloud = [
            curves[name].figures(dates, rate)
            for name in random_traders
            if name in curves and name != model and set(dates) <= set(curves[name].values)
        ]
        # One that was bankrupt before has no return.
        cloud = [each for each in cloud if each["return_pct"] is not None]
        row: Row = {"sessions": len(dates), "random_traders": len(cloud)}
        for short, figure in (("return", "return_pct"), ("sharpe", "sharpe_ratio")):
            mine = own.figures(dates, rate)[figure]
            others = [value for each in cloud if (value := each[figure]) is not None]
            n = len(others)
            if mine is None or not n:
                row[f"{short}_percentile"] = row[f"{short}_p_value"] = None
                continue
            equal = sum(abs(other - mine) < 1e-9 for other in others)
            above = sum(other > mine + 1e-9 for other in others)
            row[f"{short}_percentile"] = 100 * (n - above - equal + (equal + 1) / 2) / (n + 1)
            row[f"{short}_p_value"] = (1 + above + equal) / (n + 1)
        rows[model] = row
    return rows


def expected_periods(
    curves: Mapping[str, EquityCurve], cutoffs: Mapping[str, dt.date], rate: float
) -> dict[tuple[str, str], Row]:
    rows: dict[tuple[str, str], Row] = {}
    for model, cutoff in cutoffs.items():
        own = curves[model]
        for period in ("in_sample", "out_of_sample"):
            dates = sorted(d for d in own.values if (d <= cutoff) == (period == "in_sample"))
            if dates:
                base, last = own.before(dates[0]), own.values[dates[-1]]
                rows[model, period] = {
                    "training_cutoff": cutoff,
                    "first_date": dates[0],
                    "last_date": dates[-1],
                    "sessions": len(dates),
                    "starting_equity": base,
                    "portfolio_value": last,
                    "profit": last - base,
                    **own.figures(dates, rate),
                }
    return rows


def assert_agrees(actual: Mapping[Any, Row], expected: Mapping[Any, Row]) -> None:
    assert actual.keys() == expected.keys()
    for key, row in expected.items():
        for name, value in row.items():
            found = actual[key][name]
            if isinstance(value, float):
                assert found == pytest.approx(value, rel=1e-9, abs=1e-9), (key, name)
            else:
                assert found == value, (key, name)


@pytest.mark.parametrize("seed", [*range(10), *(pytest.param(n, marks=pytest.mark.slow) for n in range(10, 50))])
def test_a_random_arena_is_what_a_recomputation_from_its_curves_says(mart: Mart, seed: int) -> None:
    draw = random.Random(seed)
    sessions = weekdays(FIRST, 40)
    curves: dict[str, EquityCurve] = {}
    replica_of: dict[str, str] = {}
    cutoffs: dict[str, dt.date] = {}
    clouds = [f"random.r{n}" for n in range(1, draw.randint(1, 8))]
    names = [f"m{n}.r{k}" for n in range(3) for k in range(1, draw.randint(2, 4))] + ["alone", "cash"] + clouds
    for name in names:
        group = name.rpartition(".")[0]
        if group:
            replica_of[name] = group
        value = Decimal(10_000)
        values: dict[dt.date, Decimal] = {}
        # Some start late, some lag behind, some lack a session, some go bankrupt, some never move.
        for date in sessions[draw.choice([0, 0, 0, 5]) : draw.choice([40, 40, 40, 37])]:
            if draw.random() < 0.02:
                continue
            move = 0.0 if name == "cash" else draw.gauss(0.001, 0.02) if draw.random() > 0.002 else -1.0
            value = usd(round(float(value) * (1 + move), 2))
            values[date] = value
        kind = "baseline" if name in {"cash", *clouds} else "model"
        curves[name] = EquityCurve(name, kind, Decimal(10_000), values)
        if kind == "model" and draw.random() < 0.5:
            cutoffs[name] = draw.choice(sessions) + dt.timedelta(days=draw.randint(-1, 1))
        trader = "random" if name in clouds else "openai"
        compete(mart, name, trader=trader, replica_of=replica_of.get(name), cutoff=cutoffs.get(name))
        add_curve(mart, curves[name])
    rate = draw.choice([0.0, RATE])
    rebuild(mart, rate)
    assert_agrees(table(mart, "replica_groups"), expected_groups(curves, replica_of, rate))
    assert_agrees(table(mart, "null_standing"), expected_standings(curves, clouds, rate))
    assert_agrees(table(mart, "contamination"), expected_periods(curves, cutoffs, rate))


# --- replicas ---


def test_the_variance_is_split_between_market_model_and_luck_within_a_kind(mart: Mart) -> None:
    draw = np.random.default_rng(4)
    days, models, replicas = 200, 6, 3
    market, decided = draw.normal(0, 0.01, (days, 1, 1)), draw.normal(0, 0.006, (days, models, 1))
    returns = market + decided + draw.normal(0, 0.004, (days, models, replicas))
    values = 10_000 * np.cumprod(1 + returns, axis=0)
    for m in range(models):
        for k in range(replicas):
            name = f"m{m}.r{k + 1}"
            compete(mart, name, replica_of=f"m{m}")
            add_curve(mart, curve(name, [10_000, *values[:, m, k]]))
    add_curve(mart, curve("cash", [10_000] * (days + 1), kind="baseline"))
    add_curve(mart, curve("=cash", [10_000] * (days + 1), kind="benchmark"))
    rebuild(mart)
    rows = table(mart, "replica_groups")
    whole = 0.01**2 + 0.006**2 + 0.004**2
    shares = {"market": 0.01**2, "model_day": 0.006**2, "replica": 0.004**2}
    for part, variance in shares.items():
        assert rows["m0"][f"variance_{part}_pct"] == pytest.approx(100 * variance / whole, abs=6)
    parts = [rows["m0"][f"variance_{part}_pct"] for part in (*shares, "model")]
    assert sum(parts) == pytest.approx(100)
    assert [rows["m5"][f"variance_{part}_pct"] for part in (*shares, "model")] == parts
    assert rows["m0"]["reason"] is None
    assert rows["cash"]["reason"] == f"{days} common days of 1 models: at least 2 of each are needed"
    assert (rows["=cash"]["variance_market_pct"], rows["=cash"]["reason"]) == (None, "a benchmark decides nothing")


def test_a_portfolio_from_before_its_model_had_replicas_is_none_of_them(mart: Mart) -> None:
    for name, last in (("m", 20_000.0), ("m.r1", 10_100.0), ("m.r2", 10_300.0)):
        compete(mart, name, replica_of=None if name == "m" else "m")
        add_curve(mart, curve(name, [10_000, 10_000, last]))
    rebuild(mart)
    assert {name: row["mean_return_pct"] for name, row in table(mart, "replica_groups").items()} == {"m": 2.0}


def test_a_replica_that_lags_behind_holds_the_others_to_the_sessions_that_it_has(mart: Mart) -> None:
    for name, values in {"m.r1": [10_000, 10_100, 15_000], "m.r2": [10_000, 10_300]}.items():
        compete(mart, name, replica_of="m")
        add_curve(mart, curve(name, values))
    rebuild(mart)
    row = table(mart, "replica_groups")["m"]
    assert (row["sessions"], row["mean_return_pct"], row["high_return_pct"]) == (1, 2.0, 3.0)
    assert row["deviation_return_pct"] == pytest.approx(2**0.5)


def standing(model: str, return_pct: float, **other: Any) -> Row:
    row = {"rank": 0, "model": model, "kind": "model", "replica_of": None, "sessions": 3, "trades": 4}
    figures = {"portfolio_value": 1.0, "sharpe_ratio": None, "max_drawdown_pct": 0.0, "tie_group": "a"}
    costs = dict.fromkeys(["inference_cost_usd", "cost_per_trade_usd", "net_return_pct"])
    return {**row, "cumulative_return_pct": return_pct, **figures, **costs, **other}


def test_a_group_takes_its_place_by_its_mean_and_ties_share_a_rank() -> None:
    board = [
        standing("m.r1", 9.0, replica_of="m", inference_cost_usd=1.0, tie_group="a", leaks_told=1),
        standing("tied", 5.0),
        standing("best", 6.0, inference_cost_usd=3.0),
        standing("m.r2", 1.0, replica_of="m", inference_cost_usd=2.0, tie_group="b", leaks_told=2),
    ]
    group = {
        "model": "m", "kind": "model", "replicas": 2, "sessions": 3, "mean_portfolio_value": 10_500.0,
        "mean_return_pct": 5.0, "deviation_return_pct": 5.6, "mean_sharpe_ratio": None,
        "mean_max_drawdown_pct": 0.0, "mean_trades": 4.5,
    }  # fmt: skip
    lines = grouped(board, [group])
    assert [(line["rank"], line["model"], line["replicas"]) for line in lines] == [
        (1, "best", 1),
        (2, "m", 2),
        (2, "tied", 1),
    ]
    m = lines[1]
    assert (m["portfolio_value"], m["deviation_return_pct"], m["trades"]) == (10_500.0, 5.6, 4.5)
    assert (m["inference_cost_usd"], m["tie_group"], m["replica_of"]) == (1.5, None, None)
    assert m["leaks_told"] == 3
    assert lines[0]["inference_cost_usd"] == 3.0


def test_the_cost_of_a_group_is_unknown_where_that_of_a_replica_is() -> None:
    rows = [standing("m.r1", 9.0, replica_of="m", inference_cost_usd=1.0), standing("m.r2", 1.0, replica_of="m")]
    group: Row = dict.fromkeys(["mean_sharpe_ratio", "mean_max_drawdown_pct"])
    group |= {"model": "m", "kind": "model", "replicas": 2, "sessions": 3, "mean_return_pct": 5.0}
    group |= {"mean_portfolio_value": 1.0, "deviation_return_pct": 5.6, "mean_trades": 4.0}
    (line,) = grouped(rows, [group])
    assert line["inference_cost_usd"] is None


def test_replicas_without_a_session_in_common_stay_portfolios_of_their_own() -> None:
    rows = [standing("m.r1", 9.0, replica_of="m"), standing("m.r2", 1.0, replica_of="m")]
    assert [(line["rank"], line["model"]) for line in grouped(rows, [])] == [(1, "m.r1"), (2, "m.r2")]


# --- random traders ---


def test_a_model_is_compared_with_the_random_traders_that_have_all_of_its_sessions(mart: Mart) -> None:
    add_curve(mart, curve("model", [10_000, 10_500, 10_500]))
    for name, values in {
        "random.r1": [10_000, 10_000, 10_100, 20_000],
        "random.r2": [10_000, 10_000, 11_000],
        "random.r3": [10_000, 30_000],
    }.items():
        compete(mart, name, trader="random", replica_of="random")
        add_curve(mart, curve(name, values, kind="baseline"))
    rebuild(mart)
    rows = table(mart, "null_standing")
    assert (rows["model"]["random_traders"], rows["model"]["return_p_value"]) == (2, pytest.approx(2 / 3))
    # Itself is no comparison; the others have not got its last session.
    assert rows["random.r1"]["random_traders"] == 0
    assert rows["random.r1"]["reason"] == "there are no random traders to compare with"
    assert (rows["random.r3"]["random_traders"], rows["random.r3"]["return_p_value"]) == (2, pytest.approx(1 / 3))


def test_random_traders_that_start_earlier_are_measured_from_where_the_model_starts(mart: Mart) -> None:
    compete(mart, "random", trader="random")
    add_curve(mart, curve("random", [10_000, 20_000, 20_200], kind="baseline"))
    add_curve(mart, curve("model", [10_000, 10_150], first=weekdays(FIRST, 2)[1]))
    rebuild(mart)
    assert table(mart, "null_standing")["model"]["return_p_value"] == pytest.approx(1 / 2)


def test_where_a_model_lacks_a_session_the_random_traders_are_measured_across_it_too(mart: Mart) -> None:
    first, missing, last = weekdays(FIRST, 3)
    marks = {first: usd(10_100), last: usd(10_302)}
    add_curve(mart, EquityCurve("model", "model", usd(10_000), marks))
    compete(mart, "random", trader="random")
    add_curve(mart, EquityCurve("random", "baseline", usd(10_000), {**marks, missing: usd(5_000)}))
    rebuild(mart)
    row = table(mart, "null_standing")["model"]
    assert (row["return_p_value"], row["sharpe_p_value"], row["sharpe_percentile"]) == (1, 1, 50)


def test_an_undefined_sharpe_ratio_has_a_reason_and_the_return_its_place(mart: Mart) -> None:
    compete(mart, "random", trader="random")
    add_curve(mart, curve("random", [10_000, 9_000, 9_500], kind="baseline"))
    add_curve(mart, curve("cash", [10_000, 10_000, 10_000], kind="baseline"))
    rebuild(mart)
    row = table(mart, "null_standing")["cash"]
    assert (row["return_percentile"], row["sharpe_percentile"]) == (75, None)
    assert row["reason"] == "Sharpe ratio: the figure is undefined for this model"


def test_a_mart_without_sessions_has_nothing_to_measure(mart: Mart) -> None:
    compete(mart, "m", cutoff=FIRST)
    rebuild(mart)
    tables = ("replica_groups", "null_standing", "contamination")
    assert {name: table(mart, name) for name in tables} == {name: {} for name in tables}


# --- constraints ---

GROUP = (
    "INSERT INTO replica_groups BY NAME SELECT 'm' AS model, 'model' AS kind, 2 AS replicas, 3 AS sessions, "
    "1.0 AS mean_portfolio_value, 1.0 AS mean_trades"
)
STANDING = "INSERT INTO null_standing BY NAME SELECT 'm' AS model, 3 AS sessions, 2 AS random_traders"
PERIOD = (
    "INSERT INTO contamination BY NAME SELECT 'm' AS model, DATE '2025-01-03' AS training_cutoff, "
    "'model' AS kind, 2 AS sessions, 1 AS starting_equity, 1 AS portfolio_value, 0 AS profit, 0 AS trades, "
    "0 AS costs"
)
IN_SAMPLE = f"{PERIOD}, 'in_sample' AS period, DATE '2025-01-02' AS first_date, DATE '2025-01-03' AS last_date"


@pytest.mark.parametrize("statement", [GROUP, STANDING, IN_SAMPLE])
def test_a_row_stands_once_and_no_second_time(mart: Mart, statement: str) -> None:
    mart.execute(statement)
    with pytest.raises(duckdb.ConstraintException, match="Duplicate key"):
        mart.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        GROUP.replace("'model'", "'robot'"),
        GROUP.replace("2 AS replicas", "0 AS replicas"),
        GROUP.replace("3 AS sessions", "0 AS sessions"),
        f"{GROUP}, -0.1 AS deviation_return_pct",
        f"{GROUP}, -0.1 AS deviation_sharpe_ratio",
        f"{GROUP}, -0.1 AS deviation_max_drawdown_pct",
        f"{GROUP}, -0.1 AS variance_market_pct",
        f"{GROUP}, -0.1 AS variance_model_pct",
        f"{GROUP}, -0.1 AS variance_model_day_pct",
        f"{GROUP}, -0.1 AS variance_replica_pct",
        STANDING.replace("3 AS sessions", "0 AS sessions"),
        STANDING.replace("2 AS random_traders", "-1 AS random_traders"),
        f"{STANDING}, 100.1 AS return_percentile",
        f"{STANDING}, 0.0 AS return_p_value",
        f"{STANDING}, -0.1 AS sharpe_percentile",
        f"{STANDING}, 1.1 AS sharpe_p_value",
        IN_SAMPLE.replace("'in_sample'", "'before'"),
        IN_SAMPLE.replace("'in_sample'", "'out_of_sample'"),
        IN_SAMPLE.replace("DATE '2025-01-03' AS last_date", "DATE '2025-01-06' AS last_date"),
        IN_SAMPLE.replace("DATE '2025-01-02' AS first_date", "DATE '2025-01-06' AS first_date"),
        IN_SAMPLE.replace("2 AS sessions", "0 AS sessions"),
        IN_SAMPLE.replace("'model' AS kind", "'robot' AS kind"),
        f"{PERIOD}, 'out_of_sample' AS period, DATE '2025-01-03' AS first_date, DATE '2025-01-06' AS last_date",
    ],
)
def test_a_row_that_cannot_be_is_refused(mart: Mart, statement: str) -> None:
    with pytest.raises(duckdb.ConstraintException, match="CHECK constraint failed"):
        mart.execute(statement)


# --- whole arenas ---


def assert_recomputed(arena: ArenaHome) -> dict[str, EquityCurve]:
    """All three tables of an arena agree with what its books give."""
    config = arena.settings.config
    replica_of = {m.signature: m.replica_of for m in config.models if m.replica_of}
    cutoffs = {m.signature: m.training_cutoff for m in config.models if m.training_cutoff}
    traders = [m.signature for m in config.models if m.trader == "random"]
    with reading(arena.mart) as con:
        curves = curves_of(con)
        assert_agrees(table(con, "replica_groups"), expected_groups(curves, replica_of, 0.0))
        assert_agrees(table(con, "null_standing"), expected_standings(curves, traders, 0.0))
        assert_agrees(table(con, "contamination"), expected_periods(curves, cutoffs, 0.0))
    return curves


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> ArenaHome:
    """The sample arena over three weeks, its random trader three times, its holder with a training cutoff."""
    arena = sample_arena(tmp_path_factory.mktemp("sample"), "2012-10-01", "2012-10-19")
    path = arena.folder / "override.json"
    override = json.loads(path.read_text(encoding="utf-8"))
    override["models"] = [
        {"name": "Cash", "signature": "cash", "trader": "cash"},
        {"name": "Hold", "signature": "hold", "trader": "buy_and_hold", "training_cutoff": "2012-10-05"},
        {"name": "Random", "signature": "random", "trader": "random", "replicas": 3, "params": {"seed": 7}},
    ]
    path.write_text(json.dumps(override), encoding="utf-8")
    arena.ok("run")
    return arena


@pytest.mark.slow
def test_the_tables_of_the_sample_arena_are_what_its_books_give(sample: ArenaHome) -> None:
    curves = assert_recomputed(sample)
    ends = {curves[f"random.r{k}"].values[max(curves["cash"].values)] for k in (1, 2, 3)}
    assert len(ends) == 3


def test_the_board_shows_replicas_as_one_line_and_each_where_asked(sample: ArenaHome) -> None:
    def models_of(*words: str) -> list[str]:
        lines = sample.ok("leaderboard", *words).out.splitlines()
        cells = [line.split("│") for line in lines if line.startswith("│")]
        return sorted(cell[2].strip() for cell in cells)

    others = ["=cash", "=equal-weight", "cash", "hold"]
    assert models_of() == [*others, "random"]
    assert models_of("--date", "2012-10-10") == [*others, "random"]
    assert models_of("--replicas") == [*others, "random.r1", "random.r2", "random.r3"]
    board = {row["model"]: row for row in sample.ok("leaderboard", "--format", "json").json["leaderboard"]}
    assert (board["random.r2"]["replica_of"], board["cash"]["replica_of"]) == ("random", None)
    (line,) = [line for line in sample.ok("leaderboard").out.splitlines() if " random " in line]
    mean = statistics.fmean(board[f"random.r{k}"]["cumulative_return_pct"] for k in (1, 2, 3))
    assert f"{mean:.2f} %" in line


def test_the_board_marks_what_was_in_sample(sample: ArenaHome) -> None:
    board = {row["model"]: row for row in sample.ok("leaderboard", "--format", "json").json["leaderboard"]}
    marks = {model: (row["training_cutoff"], row["in_sample_sessions"]) for model, row in board.items()}
    assert marks.pop("hold") == ("2012-10-05", 5)
    assert set(marks.values()) == {(None, None)}
    earlier = sample.ok("leaderboard", "--date", "2012-10-03", "--format", "json").json["leaderboard"]
    assert {row["in_sample_sessions"] for row in earlier if row["model"] == "hold"} == {3}


@pytest.mark.slow
def test_the_name_of_a_model_stands_for_all_its_replicas(tmp_path: Path) -> None:
    entry = {"name": "Random", "signature": "random", "trader": "random", "replicas": 2}
    arena = priced_arena(tmp_path, [entry, {"name": "Cash", "signature": "cash", "trader": "cash"}], FLAT)
    arena.ok("run", "--models", "random", "--end", "2025-10-03")
    assert arena.records.models() == ["random.r1", "random.r2"]


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> ArenaHome:
    """The benchmark's own three books beside five random traders."""
    gpt = {"name": "gpt-5", "signature": "gpt-5", "basemodel": "gpt-5", "enabled": False}
    models = [
        {"name": "Random", "signature": "random", "trader": "random", "replicas": 5},
        gpt | {"training_cutoff": "2025-10-15"},
    ]
    arena = write_benchmark_config(tmp_path_factory.mktemp("real"), models)
    arena.ok("run")
    return import_benchmark_books(arena)


def test_the_tables_of_the_real_books_are_what_they_give(books: ArenaHome) -> None:
    curves = assert_recomputed(books)
    assert {"deepseek-chat-v3.1", "gpt-5", "qwen3-max", "QQQ", "random.r5"} <= curves.keys()
    with reading(books.mart) as con:
        rows = table(con, "null_standing")
        assert {(row["sessions"], row["random_traders"]) for m, row in rows.items() if m[:6] != "random"} == {
            (21, 5)
        }
        assert {period for _, period in table(con, "contamination")} == {"in_sample", "out_of_sample"}
