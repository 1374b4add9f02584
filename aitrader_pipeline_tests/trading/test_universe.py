"""What the config says of the market is what a session trades by: members of its date, lots, currency."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from aitrader_pipeline.market.actions import CorporateAction
from aitrader_pipeline.market.ex_dates import ExDates
from aitrader_pipeline.trading.arena import Arena
from aitrader_pipeline.trading.record import Action
from aitrader_pipeline_tests.arena_homes import priced_arena, reconfigure
from aitrader_pipeline_tests.markets import (
    OCT_02,
    OCT_03,
    OCT_06,
    TEN_DAYS,
    Quotes,
    baseline,
    book_of,
    day,
    finished,
    model,
    new_arena,
    open_arena,
    write_arena,
)
from aitrader_pipeline_tests.openai_server import FINISH, OpenAIServer, buy, says, sell

M = "model-a"
QUOTES: Quotes = {s: dict.fromkeys(TEN_DAYS, ("100", "101")) for s in ("AAPL", "MSFT", "NVDA")}
# NVDA leaves after the first session, MSFT joins on the third.
LISTED: list[Any] = ["AAPL", {"symbol": "NVDA", "to": OCT_02}, {"symbol": "MSFT", "from": OCT_06}]


def arena_of(folder: Path, *models: dict[str, Any], **settings: Any) -> Arena:
    return new_arena(folder, models, QUOTES, **settings)


def with_market(folder: Path, *models: dict[str, Any], **market: Any) -> Arena:
    write_arena(folder, models, QUOTES, stock_symbols=["AAPL", "MSFT", "NVDA"])
    reconfigure(priced_arena(folder, models, QUOTES, stock_symbols=["AAPL", "MSFT", "NVDA"]), market=market)
    return open_arena(folder)


def prompt_of(endpoint: OpenAIServer) -> str:
    return str(endpoint.requests[-1].messages[0]["content"])


def test_what_left_the_universe_can_be_sold_and_not_bought_and_what_joined_can_be_bought(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    arena = arena_of(tmp_path, model(M, endpoint.base_url), stock_symbols=LISTED)
    endpoint.script(
        M,
        says(FINISH, buy("NVDA", 10), buy("MSFT", 1)),
        says(FINISH, buy("NVDA", 1), sell("NVDA", 4), buy("MSFT", 1)),
        says(FINISH, buy("MSFT", 2)),
    )
    first, second, third = finished(arena, M, (OCT_02, OCT_03, OCT_06))
    assert book_of(first) == (9000, {"NVDA": 10})
    assert [(r.symbol, r.code) for r in first.refusals] == [("MSFT", "unknown_symbol")]
    assert book_of(second) == (9400, {"NVDA": 6})
    assert [(r.symbol, r.code) for r in second.refusals] == [
        ("NVDA", "unknown_symbol"),
        ("MSFT", "unknown_symbol"),
    ]
    assert book_of(third) == (9200, {"MSFT": 2, "NVDA": 6})


def test_the_prompt_shows_the_members_of_the_date_and_what_is_held_beside_them(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    arena = arena_of(tmp_path, model(M, endpoint.base_url), stock_symbols=LISTED)
    shown = []
    for date, answer in ((OCT_02, says(FINISH, buy("NVDA", 1))), (OCT_03, says(FINISH)), (OCT_06, says(FINISH))):
        endpoint.script(M, answer)
        finished(arena, M, date)
        shown.append([line for line in prompt_of(endpoint).splitlines() if line.endswith((", 100", "be sold"))])
    assert shown == [
        ["AAPL, none, 100", "NVDA, none, 100"],
        ["AAPL, 101, 100", "NVDA, 101, 100, can only be sold"],
        ["AAPL, 101, 100", "MSFT, 101, 100", "NVDA, 101, 100, can only be sold"],
    ]


def test_equal_weights_follow_the_members(tmp_path: Path) -> None:
    arena = arena_of(tmp_path, baseline("equal_weight", rebalance_sessions=1), stock_symbols=LISTED)
    books = [book_of(record)[1] for record in finished(arena, "equal_weight", (OCT_02, OCT_03, OCT_06))]
    assert books == [{"AAPL": 50, "NVDA": 50}, {"AAPL": 100}, {"AAPL": 50, "MSFT": 50}]


def test_an_order_that_is_no_multiple_of_a_lot_is_refused_and_the_prompt_says_so_before(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    arena = with_market(tmp_path, model(M, endpoint.base_url), lot_size=10, currency="JPY")
    endpoint.script(M, says(FINISH, buy("AAPL", 15), buy("AAPL", 20), sell("AAPL", 5), sell("AAPL", 20)))
    (record,) = finished(arena, M, OCT_02)
    fills = [(a.type, a.amount) for a in record.actions if isinstance(a, Action)]
    assert fills == [("buy", 20), ("sell", 20)]
    assert [(r.code, r.message) for r in record.refusals] == [
        ("invalid_amount", "amount must be a multiple of 10 shares, a lot, not 15"),
        ("invalid_amount", "amount must be a multiple of 10 shares, a lot, not 5"),
    ]
    prompt = prompt_of(endpoint)
    assert "in lots: an order's amount is a multiple of 10; long only" in prompt
    assert "Prices and cash are in JPY." in prompt


def test_what_a_split_has_left_of_a_lot_is_kept_in_a_rebalancing_and_sold_with_the_rest(tmp_path: Path) -> None:
    rebalancing = baseline("equal_weight", rebalance_sessions=1)
    split = ExDates.of([CorporateAction("AAPL", day(OCT_03), "split", Decimal("1.5"))])
    arena = replace(with_market(tmp_path, rebalancing, lot_size=10), actions=split)
    _, after = finished(arena, "equal_weight", (OCT_02, OCT_03))
    assert after.refusals == ()
    assert after.end.shares["AAPL"] % 10 == 5


@pytest.mark.parametrize("trader", ["buy_and_hold", "equal_weight", "momentum", "mean_reversion", "random"])
def test_every_baseline_orders_in_lots(tmp_path: Path, trader: str) -> None:
    params: dict[str, Any] = {
        "equal_weight": {"rebalance_sessions": 2},
        "momentum": {"lookback": 1, "top": 1},
        "mean_reversion": {"lookback": 1, "top": 1},
        "random": {"orders": 4},
    }.get(trader, {})
    arena = with_market(tmp_path, baseline(trader, **params), lot_size=7)
    records = finished(arena, trader, TEN_DAYS)
    assert [refused for record in records for refused in record.refusals] == []
    amounts = [action.amount for record in records for action in record.actions]
    assert amounts
    assert [amount for amount in amounts if amount % 7] == []
