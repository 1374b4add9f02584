"""What users ask the mart, and the shapes of the answers."""

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from aitrader_pipeline.errors import NoDataError, StoreError
from aitrader_pipeline.market.prices import save_prices
from aitrader_pipeline.market.sources import open_source
from aitrader_pipeline.performance.books import write_books
from aitrader_pipeline.performance.series import Benchmarks, rebuild_metrics, rebuild_timeseries
from aitrader_pipeline.ranking.leaderboard import rebuild_leaderboard
from aitrader_pipeline.results.queries import get_leaderboard, get_portfolio_timeseries, get_results
from aitrader_pipeline.store.mart import migrate
from aitrader_pipeline.trading.record import SessionRecord
from aitrader_pipeline.trading.transcripts import write_transcripts
from aitrader_pipeline_tests.markets import (
    GOLDEN,
    GOLDEN_DAYS,
    KEY,
    OCT_02,
    OCT_03,
    OCT_06,
    OCT_07,
    Quotes,
    baseline,
    day,
    finished,
    model,
    open_arena,
    write_arena,
)
from aitrader_pipeline_tests.openai_server import (
    FINISH,
    OpenAIServer,
    buy,
    call,
    openai_server,
    says,
    sell,
    tokens,
)

M, HOLD, BENCHMARK = "model-a", "buy_and_hold", "QQQ"
LONG = "I weighed every symbol against the others. " * 20

# QQQ is priced from the session before the first, and rises by a tenth on the first day alone.
QUOTES: Quotes = {
    **GOLDEN,
    BENCHMARK: {"2025-10-01": ("100", "100"), **dict.fromkeys(GOLDEN_DAYS, ("110", "110"))},
}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[OpenAIServer]:
    with openai_server() as server:
        yield server


@pytest.fixture(scope="module")
def mart(tmp_path_factory: pytest.TempPathFactory, endpoint: OpenAIServer) -> Path:
    """The golden four days traded by a model at an endpoint, beside a baseline and the benchmark."""
    folder = tmp_path_factory.mktemp("queries")
    endpoint.script(
        M,
        says("Let me look.", call("get_price_local", symbol="AAPL", date=OCT_02), usage=tokens(100, 10)),
        says("", buy("AAPL", 20), buy("MSFT", 10), buy("NVDA", 121)),
        says("", buy("NVDA", 100)),
        says(f"{LONG}{FINISH}"),
        says(f"Nothing to do. {FINISH}"),
        says("", sell("AAPL", 15), buy("MSFT", 13), sell("NVDA", 101), sell("NVDA", 100)),
        says("I am done."),
        says("Really."),
        says("", sell("NVDA", 1), buy("NVDA", 10)),
        says(FINISH),
    )
    write_arena(folder, [model(M, endpoint.base_url), baseline(HOLD)], QUOTES)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["market"]["benchmark"] = BENCHMARK
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    arena = open_arena(folder)
    records = [*finished(arena, M, GOLDEN_DAYS), *finished(arena, HOLD, GOLDEN_DAYS)]
    path = folder / "arena.duckdb"
    build(path, folder, records)
    return path


def build(path: Path, folder: Path, records: list[SessionRecord]) -> None:
    """Fill a mart as the assets do."""
    with duckdb.connect(str(path)) as con:
        migrate(con)
        save_prices(con, open_source("files", folder / "prices.csv").read("XNAS"), dt.datetime.now(dt.UTC))
        write_books(con, records)
        write_transcripts(con, records)
        rebuild_timeseries(con, Benchmarks(records[0].initial_cash, BENCHMARK))
        rebuild_metrics(con, risk_free_rate=0.0)
        rebuild_leaderboard(con)


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    path = tmp_path / "arena.duckdb"
    with duckdb.connect(str(path)) as con:
        migrate(con)
    return path


def only(answer: dict[str, Any]) -> dict[str, Any]:
    (result,) = answer["results"]
    assert isinstance(result, dict)
    return result


# --- results ---


def test_minimal_results_have_the_api_s_shape(mart: Path) -> None:
    assert get_results(mart, day(OCT_06), M) == {
        "date": OCT_06,
        "results": [
            {
                "model": M,
                "positions": {"AAPL": 5, "MSFT": 23, "CASH": 5005.0},
                "daily_pnl": {
                    "profit": -507.0,
                    "return_pct": pytest.approx(-100 * 507 / 10450),
                    "portfolio_value": 9943.0,
                },
                "cumulative_pnl": {"profit": -57.0, "return_pct": pytest.approx(-0.57)},
            }
        ],
    }


def test_without_a_model_results_are_of_all_that_traded_and_not_of_the_benchmark(mart: Path) -> None:
    assert [result["model"] for result in get_results(mart, day(OCT_02))["results"]] == [HOLD, M]


def test_full_results_add_trades_reasoning_and_tool_use(mart: Path) -> None:
    result = only(get_results(mart, day(OCT_02), M, "full"))
    assert result["trades"] == [
        {"id": 1, "action": "buy", "symbol": "AAPL", "amount": 20, "price": 100.0, "total": 2000.0, "costs": 0.0},
        {"id": 2, "action": "buy", "symbol": "MSFT", "amount": 10, "price": 200.0, "total": 2000.0, "costs": 0.0},
        {"id": 3, "action": "buy", "symbol": "NVDA", "amount": 100, "price": 50.0, "total": 5000.0, "costs": 0.0},
    ]
    reasoning = result["ai_reasoning"]
    assert (reasoning["total_steps"], reasoning["stop_signal_received"]) == (4, True)
    assert reasoning["tool_usage"] == {"buy": 4, "get_price_local": 1}


def test_the_reasoning_is_the_last_message_with_the_signal_cut_to_500_characters(mart: Path) -> None:
    long = only(get_results(mart, day(OCT_02), M, "full"))["ai_reasoning"]["reasoning_summary"]
    assert long == LONG[:500]
    short = only(get_results(mart, day(OCT_03), M, "full"))["ai_reasoning"]["reasoning_summary"]
    assert short == f"Nothing to do. {FINISH}"


def test_without_the_signal_the_reasoning_is_the_last_thing_that_was_said(mart: Path) -> None:
    reasoning = only(get_results(mart, day(OCT_06), M, "full"))["ai_reasoning"]
    assert (reasoning["stop_signal_received"], reasoning["reasoning_summary"]) == (False, "Really.")


def test_a_day_without_trades_has_an_empty_list_of_them(mart: Path) -> None:
    result = only(get_results(mart, day(OCT_03), M, "full"))
    assert (result["trades"], result["ai_reasoning"]["tool_usage"]) == ([], {})


def test_a_portfolio_of_cash_has_cash_alone(tmp_path: Path) -> None:
    write_arena(tmp_path, [baseline("cash")], QUOTES)
    records = finished(open_arena(tmp_path), "cash", [OCT_02])
    build(tmp_path / "arena.duckdb", tmp_path, records)
    assert only(get_results(tmp_path / "arena.duckdb", day(OCT_02)))["positions"] == {"CASH": 10000.0}


def test_a_session_without_its_close_has_results_without_profit(tmp_path: Path) -> None:
    write_arena(tmp_path, [baseline(HOLD)], {"AAPL": {OCT_02: "100"}})
    records = finished(open_arena(tmp_path), HOLD, [OCT_02])
    build(tmp_path / "arena.duckdb", tmp_path, records)
    result = only(get_results(tmp_path / "arena.duckdb", day(OCT_02)))
    assert result["positions"] == {"AAPL": 100, "CASH": 0.0}
    assert result["daily_pnl"] == {"profit": None, "return_pct": None, "portfolio_value": None}
    with pytest.raises(NoDataError, match="nobody has a scored session yet"):
        get_leaderboard(tmp_path / "arena.duckdb")


def test_results_of_what_is_not_there_say_what_there_is(mart: Path, empty: Path) -> None:
    with pytest.raises(NoDataError, match=f"no result for 2025-10-04; results run from {OCT_02} to {OCT_07}"):
        get_results(mart, dt.date(2025, 10, 4))
    with pytest.raises(NoDataError, match=f"no result for {OCT_02} and model nobody; results run from"):
        get_results(mart, day(OCT_02), "nobody")
    with pytest.raises(NoDataError, match="there are no results yet"):
        get_results(empty, day(OCT_02))


# --- series ---


def test_a_series_has_a_row_a_session_with_what_each_was_worth(mart: Path) -> None:
    answer = get_portfolio_timeseries(mart, M)
    assert answer["model"] == M
    assert [(row["date"], row["portfolio_value"], row["trades"]) for row in answer["timeseries"]] == [
        (OCT_02, 10240.0, 3),
        (OCT_03, 10450.0, 0),
        (OCT_06, 9943.0, 3),
        (OCT_07, 10403.0, 1),
    ]
    assert set(answer["timeseries"][0]) == {
        "date",
        "portfolio_value",
        "daily_profit",
        "daily_return_pct",
        "cumulative_profit",
        "cumulative_return_pct",
        "drawdown_pct",
        "cash",
        "exposure_pct",
        "trades",
    }


def test_the_benchmark_has_a_series_from_the_close_before_the_first_session(mart: Path) -> None:
    values = [row["portfolio_value"] for row in get_portfolio_timeseries(mart, BENCHMARK)["timeseries"]]
    assert values == [11000.0] * 4


@pytest.mark.parametrize(
    ("start", "end", "dates"),
    [
        (OCT_03, None, [OCT_03, OCT_06, OCT_07]),
        (None, OCT_03, [OCT_02, OCT_03]),
        (OCT_03, OCT_03, [OCT_03]),
        ("2025-10-04", "2025-10-05", []),
        (OCT_07, OCT_02, []),
    ],
)
def test_a_range_has_both_its_ends_and_an_empty_one_is_told(
    mart: Path, start: str | None, end: str | None, dates: list[str]
) -> None:
    window = (day(start) if start else None, day(end) if end else None)
    if dates:
        assert [row["date"] for row in get_portfolio_timeseries(mart, M, *window)["timeseries"]] == dates
    else:
        with pytest.raises(NoDataError, match="there is no series of model-a in that range"):
            get_portfolio_timeseries(mart, M, *window)


def test_the_series_of_an_unknown_model_names_those_there_are(mart: Path, empty: Path) -> None:
    with pytest.raises(NoDataError, match=f"there are series of: =cash, {BENCHMARK}, {HOLD}, {M}"):
        get_portfolio_timeseries(mart, "nobody")
    with pytest.raises(NoDataError, match="there are series of: none"):
        get_portfolio_timeseries(empty, M)


def test_a_name_is_a_value_and_never_a_part_of_the_query(mart: Path) -> None:
    with pytest.raises(NoDataError):
        get_portfolio_timeseries(mart, f"{M}' OR '1' = '1")
    with pytest.raises(NoDataError):
        get_results(mart, day(OCT_02), "' OR true --")


# --- leaderboard ---


def ranks(answer: dict[str, Any]) -> list[tuple[int, str, str, float]]:
    return [(s["rank"], s["model"], s["kind"], s["portfolio_value"]) for s in answer["leaderboard"]]


def test_the_leaderboard_ranks_models_baselines_and_the_benchmark_together(mart: Path) -> None:
    answer = get_leaderboard(mart)
    assert answer["date"] == OCT_07
    assert ranks(answer) == [
        (1, HOLD, "baseline", 11151.0),
        (2, BENCHMARK, "benchmark", 11000.0),
        (3, M, "model", 10403.0),
        (4, "=cash", "benchmark", 10000.0),
    ]


def test_the_leaderboard_of_a_date_is_how_it_stood_at_that_close(mart: Path) -> None:
    answer = get_leaderboard(mart, day(OCT_02))
    assert answer["date"] == OCT_02
    assert [row[1:] for row in ranks(answer)] == [
        (BENCHMARK, "benchmark", 11000.0),
        (M, "model", 10240.0),
        (HOLD, "baseline", 10204.0),
        ("=cash", "benchmark", 10000.0),
    ]
    assert {s["sessions"] for s in answer["leaderboard"]} == {1}


def test_the_leaderboard_of_the_newest_date_is_the_leaderboard(mart: Path) -> None:
    assert get_leaderboard(mart, day(OCT_07)) == get_leaderboard(mart)


def test_on_a_date_only_those_are_ranked_who_have_a_session_on_it(tmp_path: Path) -> None:
    write_arena(tmp_path, [baseline("cash"), baseline(HOLD)], QUOTES)
    arena = open_arena(tmp_path)
    path = tmp_path / "arena.duckdb"
    build(path, tmp_path, [*finished(arena, "cash", GOLDEN_DAYS[:1]), *finished(arena, HOLD, GOLDEN_DAYS[:2])])
    assert {s["model"] for s in get_leaderboard(path)["leaderboard"]} == {"cash", HOLD, BENCHMARK, "=cash"}
    assert {s["model"] for s in get_leaderboard(path, day(OCT_03))["leaderboard"]} == {HOLD, BENCHMARK, "=cash"}


def test_a_date_on_which_nobody_was_scored_is_told(mart: Path, empty: Path) -> None:
    with pytest.raises(NoDataError, match="nobody has a scored session on 2025-10-04"):
        get_leaderboard(mart, dt.date(2025, 10, 4))
    with pytest.raises(NoDataError, match="nobody has a scored session yet"):
        get_leaderboard(empty)


# --- all of them ---


def test_every_answer_is_plain_json_without_nan_or_a_key(mart: Path) -> None:
    answers = [
        get_results(mart, day(OCT_02), detail="full"),
        get_portfolio_timeseries(mart, M),
        get_leaderboard(mart),
        get_leaderboard(mart, day(OCT_02)),
    ]
    text = json.dumps(answers, allow_nan=False)
    assert KEY not in text


@pytest.mark.parametrize("exists", [False, True], ids=["no file", "a file that no run has filled"])
def test_before_the_first_run_there_is_nothing_to_ask(tmp_path: Path, exists: bool) -> None:
    path = tmp_path / "arena.duckdb"
    if exists:
        duckdb.connect(str(path)).close()
    missing = "run `aitrader run` first"
    with pytest.raises(StoreError, match=missing):
        get_results(path, day(OCT_02))
    with pytest.raises(StoreError, match=missing):
        get_portfolio_timeseries(path, M)
    with pytest.raises(StoreError, match=missing):
        get_leaderboard(path)
