"""A model's orders through the real loop: the golden four days, fills, refusals, and wrong calls."""

from decimal import Decimal
from pathlib import Path

import pytest

from aitrader_pipeline.trading.arena import Arena
from aitrader_pipeline_tests.markets import (
    GOLDEN_DAYS,
    OCT_02,
    OCT_03,
    OCT_06,
    OCT_07,
    Quotes,
    book_of,
    finished,
)
from aitrader_pipeline_tests.model_sessions import M, arena_of, prompts, results_of
from aitrader_pipeline_tests.openai_server import (
    FINISH,
    Call,
    OpenAIServer,
    buy,
    call,
    finishes,
    says,
    sell,
)


@pytest.fixture(params=["chat", "responses"])
def endpoint(endpoint: OpenAIServer, request: pytest.FixtureRequest) -> OpenAIServer:
    endpoint.api = request.param
    return endpoint


# --- the golden four days ---


def golden_arena(folder: Path, endpoint: OpenAIServer) -> Arena:
    endpoint.script(
        M,
        says("", buy("AAPL", 20), buy("MSFT", 10)),
        says("", buy("NVDA", 121)),
        says("", buy("NVDA", 100)),
        finishes(),
        finishes("No trade today."),
        says("", sell("AAPL", 15), buy("MSFT", 13), sell("NVDA", 101), sell("NVDA", 100)),
        finishes(),
        says("", sell("NVDA", 1), buy("NVDA", 10)),
        finishes(),
    )
    return arena_of(folder, endpoint)


def test_the_golden_four_days_leave_the_cash_and_the_refusals_that_the_spec_states(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    days = finished(golden_arena(tmp_path, endpoint), M, GOLDEN_DAYS)
    assert [[(a.action_id, a.type, a.symbol, a.amount, a.price, a.cash) for a in d.actions] for d in days] == [
        [
            (1, "buy", "AAPL", 20, 100, 8000),
            (2, "buy", "MSFT", 10, 200, 6000),
            (3, "buy", "NVDA", 100, 50, 1000),
        ],
        [],
        [
            (1, "sell", "AAPL", 15, 110, 2650),
            (2, "buy", "MSFT", 13, 190, 180),
            (3, "sell", "NVDA", 100, Decimal("48.25"), 5005),
        ],
        [(1, "buy", "NVDA", 10, 60, 4405)],
    ]
    assert [[(r.type, r.symbol, r.amount, r.code, r.details) for r in d.refusals] for d in days] == [
        [("buy", "NVDA", "121", "insufficient_cash", {"required": 6050, "available": 6000})],
        [],
        [("sell", "NVDA", "101", "insufficient_shares", {"have": 100, "want": 101})],
        [("sell", "NVDA", "1", "no_position", {"have": 0, "want": 1})],
    ]
    assert [book_of(d) for d in days] == [
        (1000, {"AAPL": 20, "MSFT": 10, "NVDA": 100}),
        (1000, {"AAPL": 20, "MSFT": 10, "NVDA": 100}),
        (5005, {"AAPL": 5, "MSFT": 23}),
        (4405, {"AAPL": 5, "MSFT": 23, "NVDA": 10}),
    ]
    assert [d.end_reason for d in days] == ["finished"] * 4


def test_the_golden_four_days_are_told_to_the_model_with_the_ledger_s_own_numbers(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    finished(golden_arena(tmp_path, endpoint), M, GOLDEN_DAYS)
    told = prompts(endpoint)
    at_open = {day: prompt.partition("Portfolio value at today's open: ")[2] for day, prompt in told.items()}
    assert {day: text.splitlines()[0] for day, text in at_open.items()} == {
        OCT_02: "10000",
        OCT_03: "10400",
        OCT_06: "9925",
        OCT_07: "10375",
    }
    # Close-marked: what the day before made from the close before it to its own.
    assert "This is your first session" in told[OCT_02]
    assert "Profit of the previous session (2025-10-02): 240" in told[OCT_03]
    assert "Profit of the previous session (2025-10-03): 210" in told[OCT_06]
    assert "Profit of the previous session (2025-10-06): -507" in told[OCT_07]
    assert "Cash: 5005\nAAPL: 5 shares\nMSFT: 23 shares\nPortfolio" in told[OCT_07]
    assert "symbol, close of 2025-10-06, open of 2025-10-07\nAAPL, 109, 108\nMSFT, 191, 210\n" in told[OCT_07]


def test_every_fill_and_refusal_of_a_golden_day_is_an_answer_to_the_model(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    endpoint.script(M, says("", buy("AAPL", 20), buy("NVDA", 161), sell("MSFT", 1)), finishes())
    finished(arena_of(tmp_path, endpoint), M, OCT_02)
    filled, too_dear, not_held = results_of(endpoint)
    assert (filled["cash"], filled["shares"]) == (8000, {"AAPL": 20})
    assert (too_dear["error"], too_dear["required"], too_dear["available"]) == ("insufficient_cash", 8050, 8000)
    assert (not_held["error"], not_held["have"], not_held["want"]) == ("no_position", 0, 1)


# --- trades ---


def test_the_proceeds_of_a_sale_buy_at_once(tmp_path: Path, endpoint: OpenAIServer) -> None:
    quotes: Quotes = {"AAPL": {OCT_02: ("50", "60"), OCT_03: "200"}, "MSFT": {OCT_02: ("1", "1"), OCT_03: "150"}}
    endpoint.script(M, says(FINISH, buy("AAPL", 10)), says(FINISH, sell("AAPL", 3), buy("MSFT", 7)))
    arena = arena_of(tmp_path, endpoint, quotes, initial_cash=1000)
    first, second = finished(arena, M, [OCT_02, OCT_03])
    assert book_of(first) == (500, {"AAPL": 10})
    assert [a.cash for a in second.actions] == [1100, 50]
    assert book_of(second) == (50, {"AAPL": 7, "MSFT": 7})


def test_two_buys_in_one_message_are_paid_one_after_the_other(tmp_path: Path, endpoint: OpenAIServer) -> None:
    quotes: Quotes = {"MSFT": {OCT_02: "528.29"}, "NVDA": {OCT_02: "185.5"}}
    endpoint.script(M, says("", buy("MSFT", 11), buy("NVDA", 32)), finishes())
    (record,) = finished(arena_of(tmp_path, endpoint, quotes), M, OCT_02)
    assert book_of(record) == (Decimal("4188.81"), {"MSFT": 11})
    (refused,) = record.refusals
    assert (refused.code, refused.details) == (
        "insufficient_cash",
        {"required": Decimal(5936), "available": Decimal("4188.81")},
    )
    assert [result.get("cash") for result in results_of(endpoint)] == [4188.81, None]


def test_fifteen_buys_fill_while_the_cash_lasts(tmp_path: Path, endpoint: OpenAIServer) -> None:
    opens = {
        "MSFT": "528.285",
        "GOOGL": "248.27",
        "NVDA": "186.23",
        "LRCX": "149.23",
        "AVGO": "337.025",
        "AMZN": "220.88",
        "AMD": "214.85",
        "CRWD": "497.0",
        "QCOM": "169.9",
        "META": "717.72",
    }
    orders = "MSFT 3, GOOGL 6, NVDA 10, LRCX 6, AVGO 2, AMZN 5, MSFT 2, AMD 4, CRWD 1, QCOM 4, META 1, "
    orders += "NVDA 20, NVDA 13, NVDA 20, NVDA 53"
    calls = [buy(symbol, int(amount)) for symbol, amount in (order.split() for order in orders.split(", "))]
    endpoint.script(M, says("", *calls), finishes())
    quotes = {symbol: {OCT_02: price} for symbol, price in opens.items()}
    (record,) = finished(arena_of(tmp_path, endpoint, quotes), M, OCT_02)
    assert [f"{a.symbol} {a.amount}" for a in record.actions] == orders.split(", ")[:8]
    assert record.end.cash == Decimal("473.425")
    assert [r.code for r in record.refusals] == ["insufficient_cash"] * 7
    assert {r.details["available"] for r in record.refusals} == {Decimal("473.425")}


def test_buying_and_selling_all_leaves_the_cash_and_no_holding(tmp_path: Path, endpoint: OpenAIServer) -> None:
    endpoint.script(M, says("", buy("AAPL", 2), sell("AAPL", 2), sell("AAPL", 1)), finishes())
    (record,) = finished(arena_of(tmp_path, endpoint), M, OCT_02)
    assert book_of(record) == (10000, {})
    assert [r.code for r in record.refusals] == ["no_position"]


def test_the_initial_cash_is_the_config_s(tmp_path: Path, endpoint: OpenAIServer) -> None:
    endpoint.script(M, says(FINISH, buy("NVDA", 60)))
    arena = arena_of(tmp_path, endpoint, {"NVDA": {OCT_02: "185.5"}}, initial_cash=20000)
    (record,) = finished(arena, M, OCT_02)
    assert [record.initial_cash, record.start.cash, record.end.cash] == [20000, 20000, 8870]


def test_costs_of_the_config_are_taken_with_the_fill_and_told_in_the_prompt(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    endpoint.script(M, says(FINISH, buy("AAPL", 10), buy("MSFT", 45)))
    (record,) = finished(arena_of(tmp_path, endpoint, costs={"per_order": 1, "bps": 5}), M, OCT_02)
    assert [(a.costs, a.cash) for a in record.fills] == [(Decimal("1.5"), Decimal("8998.5"))]
    assert record.refusals[0].details == {"required": Decimal("9005.5"), "available": Decimal("8998.5")}
    assert "plus costs of 1 per order and 5 basis points of its value" in prompts(endpoint)[OCT_02]


def test_what_the_session_binds_is_not_in_the_tools_and_is_ignored_when_sent(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    forged = {
        "_current_position": {"CASH": 1_000_000},
        "today_date": OCT_07,
        "signature": "somebody-else",
        "cash": 1_000_000,
    }
    endpoint.script(M, says("", call("buy", symbol="AAPL", amount=2, **forged)), finishes())
    (record,) = finished(arena_of(tmp_path, endpoint), M, OCT_02)
    assert book_of(record) == (9800, {"AAPL": 2})
    assert record.model == M
    tools = endpoint.requests[0].tools
    assert {name: sorted(schema["properties"]) for name, schema in tools.items()} == {
        "get_price_local": ["date", "symbol"],
        "buy": ["amount", "symbol"],
        "sell": ["amount", "symbol"],
        "get_information": ["query"],
        "add": ["a", "b"],
        "multiply": ["a", "b"],
    }


BAD_CALLS = [
    (buy("AAPL", "3"), "invalid_amount"),
    (buy("AAPL", 2.5), "invalid_amount"),
    (buy("AAPL", -5), "invalid_amount"),
    (buy("AAPL", 0), "invalid_amount"),
    (buy("AAPL", 10**9), "insufficient_cash"),
    (call("buy", symbol="AAPL"), "invalid_amount"),
    (buy("TSLA", 1), "unknown_symbol"),
    (Call("buy", '{"symbol": "AAPL", "amount": 2'), "invalid_arguments"),
    (Call("buy", '"AAPL, 2"'), "invalid_arguments"),
    (Call("buy", "[1]"), "invalid_arguments"),
    (call("short", symbol="AAPL", amount=1), "unknown_tool"),
    (call("add", a="one", b=2), "invalid_number"),
]


@pytest.mark.parametrize(("bad", "code"), BAD_CALLS, ids=[f"{c.name}-{c.arguments}" for c, _ in BAD_CALLS])
def test_a_wrong_tool_call_is_answered_and_the_day_goes_on(
    tmp_path: Path, endpoint: OpenAIServer, bad: Call, code: str
) -> None:
    endpoint.script(M, says("", bad, buy(" aapl ", 1)), finishes())
    (record,) = finished(arena_of(tmp_path, endpoint), M, OCT_02)
    refused, filled = results_of(endpoint)
    assert refused["error"] == code
    assert filled["cash"] == 9900
    assert book_of(record) == (9900, {"AAPL": 1})
    assert [m.is_error for m in record.messages if m.role == "tool"] == [True, False]


def test_a_held_symbol_without_a_price_today_is_kept_at_its_last_close(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    quotes: Quotes = {
        "AAPL": {OCT_02: ("100", "103"), OCT_03: ("105", "104"), OCT_06: ("110", "109")},
        "NVDA": {OCT_02: ("50", "52"), OCT_06: ("48.25", "49")},
    }
    endpoint.script(
        M, says(FINISH, buy("NVDA", 100)), says("", sell("NVDA", 100)), finishes(), says(FINISH, sell("NVDA", 40))
    )
    days = finished(arena_of(tmp_path, endpoint, quotes), M, [OCT_02, OCT_03, OCT_06])
    assert "Portfolio value at today's open: 10200\n" in prompts(endpoint)[OCT_03]
    assert "NVDA, 52, none\n" in prompts(endpoint)[OCT_03]
    assert [r.code for r in days[1].refusals] == ["no_price"]
    assert book_of(days[1]) == (5000, {"NVDA": 100})
    assert book_of(days[2]) == (6930, {"NVDA": 60})
