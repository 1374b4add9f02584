"""What model calls cost, from the endpoint's answer to the record, the mart, the leaderboard and the UI."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from aitrader_pipeline_tests.arena_homes import ArenaHome, priced_arena
from aitrader_pipeline_tests.markets import (
    FLAT,
    KEY,
    KEY_VARIABLE,
    OCT_02,
    OCT_03,
    baseline,
    finished,
    model,
)
from aitrader_pipeline_tests.model_sessions import M, arena_of
from aitrader_pipeline_tests.openai_server import Api, OpenAIServer, Received, buy, finishes, says, tokens

PRICE = {"input": 2, "output": 8, "cached": "0.5"}
USAGE = tokens(
    1000,
    300,
    prompt_tokens_details={"cached_tokens": 400},
    completion_tokens_details={"reasoning_tokens": 250},
)
COST = (600 * 2 + 400 * 0.5 + 300 * 8) / 1e6


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_a_call_is_kept_with_its_tokens_and_with_what_they_cost(
    tmp_path: Path, endpoint: OpenAIServer, api: Api
) -> None:
    endpoint.api = api
    endpoint.script(M, says("", buy("AAPL", 1), usage=USAGE), finishes())
    (record,) = finished(arena_of(tmp_path, endpoint, FLAT, entry={"price": PRICE}), M, OCT_02)
    counted, silent = record.calls
    assert (counted.input_tokens, counted.cached_tokens) == (1000, 400)
    assert (counted.output_tokens, counted.reasoning_tokens) == (300, 250)
    assert counted.cost_usd == pytest.approx(COST)
    assert (silent.input_tokens, silent.cost_usd) == (None, None)


def test_what_the_provider_says_that_it_cost_wins_over_any_price(tmp_path: Path, endpoint: OpenAIServer) -> None:
    endpoint.script(M, finishes(usage={**USAGE, "cost": 0.0123}))
    (record,) = finished(arena_of(tmp_path, endpoint, FLAT, entry={"price": PRICE}), M, OCT_02)
    assert record.calls[0].cost_usd == 0.0123


def test_without_a_price_the_cost_of_a_server_of_ones_own_is_unknown_and_not_zero(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    endpoint.script(M, finishes(usage=USAGE))
    (record,) = finished(arena_of(tmp_path, endpoint, FLAT), M, OCT_02)
    assert record.calls[0].cost_usd is None


# --- two sessions of four traders ---


@pytest.fixture
def scored(tmp_path: Path, endpoint: OpenAIServer) -> ArenaHome:
    """Two sessions of a model with a price, one whose calls are not all counted, one without a price, and cash."""

    def answer(request: Received) -> Any:
        done = bool(request.results())
        if request.model == "careless" and done and request.date == OCT_03:
            return finishes()
        return finishes(usage=USAGE) if done else says("", buy("AAPL", 2), usage=USAGE)

    models = [
        model("priced", endpoint.base_url, price=PRICE),
        model("careless", endpoint.base_url, price=PRICE),
        model("unpriced", endpoint.base_url),
        baseline("cash"),
    ]
    for entry in models[:3]:
        endpoint.respond(entry["signature"], answer)
    arena = priced_arena(tmp_path, models, FLAT, last=OCT_03)
    arena = ArenaHome(arena.folder, {**arena.environ, KEY_VARIABLE: KEY})
    arena.ok("run")
    return arena


def test_costs_are_in_the_mart_on_the_leaderboard_and_in_the_ui(scored: ArenaHome) -> None:
    calls = scored.rows("SELECT date::VARCHAR, step_number, cost_usd FROM llm_usage WHERE model = 'priced'")
    assert sorted(calls) == [(day, step, pytest.approx(COST)) for day in (OCT_02, OCT_03) for step in (1, 2)]

    board = {row["model"]: row for row in scored.ok("leaderboard", "--format", "json").json["leaderboard"]}
    priced = board["priced"]
    assert priced["inference_cost_usd"] == pytest.approx(4 * COST)
    assert priced["cost_per_trade_usd"] == pytest.approx(4 * COST / 2)
    assert priced["net_return_pct"] == pytest.approx(
        100 * ((priced["portfolio_value"] - 4 * COST) / 10_000 - 1), abs=1e-9
    )
    assert priced["rank"] == board["unpriced"]["rank"]
    names = ("inference_cost_usd", "cost_per_trade_usd", "net_return_pct")
    assert {board[m][name] for m in ("careless", "unpriced", "cash") for name in names} == {None}
    earlier = scored.ok("leaderboard", "--date", OCT_02, "--format", "json").json["leaderboard"]
    costs = {row["model"]: row["inference_cost_usd"] for row in earlier}
    assert costs == {
        "priced": pytest.approx(2 * COST),
        "careless": pytest.approx(2 * COST),
        "unpriced": None,
        "cash": None,
        "=cash": None,
    }
    table = scored.ok("leaderboard").out
    assert all(text in table for text in ("inference USD", "USD per trade", "net return", f"{4 * COST:.4f}"))


@pytest.mark.slow
def test_the_ui_shows_the_totals_of_each_model_day_and_leaves_out_what_is_unknown(scored: ArenaHome) -> None:
    told: dict[str, dict[str, Any]] = {}
    with scored.instance() as instance:
        for record in instance.fetch_materializations(dg.AssetKey("agent_sessions"), limit=100).records:
            event = record.asset_materialization
            if event is not None and event.partition:
                told[event.partition] = {name: value.value for name, value in event.metadata.items()}
        (board,) = instance.fetch_materializations(dg.AssetKey("leaderboard"), limit=1).records
    totals = {
        key: [metadata.get(name) for name in ("input_tokens", "output_tokens", "cost_usd")]
        for key, metadata in told.items()
        if key.startswith(OCT_03)
    }
    assert totals == {
        f"{OCT_03}|priced": [2000, 600, pytest.approx(2 * COST)],
        f"{OCT_03}|careless": [None, None, None],
        f"{OCT_03}|unpriced": [2000, 600, None],
        f"{OCT_03}|cash": [None, None, None],
    }
    assert board.asset_materialization is not None
    standings = str(board.asset_materialization.metadata["standings"].value)
    assert f"{4 * COST:.4f} USD" in standings


@pytest.mark.slow
def test_the_command_tells_what_all_calls_have_cost(scored: ArenaHome) -> None:
    rows = {row["model"]: row for row in scored.ok("spending", "--format", "json").json["spending"]}
    assert {name: row["calls"] for name, row in rows.items()} == {"priced": 4, "careless": 4, "unpriced": 4}
    assert rows["priced"]["cost_usd"] == rows["priced"]["at_most_usd"] == pytest.approx(4 * COST)
    assert (rows["careless"]["cost_usd"], rows["careless"]["calls_without_cost"]) == (pytest.approx(3 * COST), 1)
    assert (rows["unpriced"]["cost_usd"], rows["unpriced"]["input_tokens"]) == (None, 4000)


def test_without_a_model_call_there_is_nothing_to_tell(tmp_path: Path) -> None:
    answer = priced_arena(tmp_path, [baseline("cash")], FLAT, last=OCT_02).aitrader("spending")
    assert (answer.status, answer.out) == (1, "")
    assert "no model has been called yet" in answer.said
