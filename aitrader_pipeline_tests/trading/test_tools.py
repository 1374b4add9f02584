"""The tools as a trader meets them: through a real MCP client, and through the session's toolbox."""

import asyncio
import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import mcp_types
import pytest
from mcp import Client
from mcp.server.lowlevel import Server

from aitrader_pipeline.errors import ConfigError, SessionError
from aitrader_pipeline.market.bars import Bar
from aitrader_pipeline.market.view import MarketView, PriceHistory
from aitrader_pipeline.trading.ledger import CostModel, Ledger, Portfolio
from aitrader_pipeline.trading.record import Message
from aitrader_pipeline.trading.toolbox import Toolbox, ToolResult
from aitrader_pipeline.trading.tools import tool_server
from aitrader_pipeline.trading.tools.math import math_server
from aitrader_pipeline.trading.tools.price import price_server
from aitrader_pipeline.trading.tools.trade import trade_tools

THU, FRI, MON, TUE = (dt.date(2025, 10, day) for day in (2, 3, 6, 7))


def full(symbol: str, day: dt.date, level: str) -> Bar:
    price = Decimal(level)
    return Bar(symbol, day, price, price + 5, price - 5, price + 2, 1_000)


def view_of_monday() -> MarketView:
    """Monday's open; Tuesday's prices are in the history that it is cut from."""
    bars = [
        full("AAPL", FRI, "105.25"),
        full("AAPL", MON, "110.5"),
        full("AAPL", TUE, "666.5"),
        Bar("MSFT", FRI, Decimal("195")),
        full("NVDA", THU, "50"),
    ]
    return PriceHistory(bars).cut(MON, ("AAPL", "MSFT", "NVDA"), FRI)


def ledger_of(view: MarketView, costs: CostModel | None = None) -> Ledger:
    start = Portfolio(Decimal("1000"), {"NVDA": 4})
    return Ledger(start, universe=frozenset(view.universe), price_of=view.open, costs=costs)


def trade_server(ledger: Ledger) -> Server[Any]:
    return tool_server("trade", trade_tools(ledger))


@dataclass(frozen=True)
class Reply:
    """An answer over MCP, its text read as JSON."""

    value: Any
    is_error: bool


def ask(server: Server[Any], *calls: tuple[str, dict[str, Any] | None]) -> list[Reply]:
    """Call tools one after another through an MCP client."""

    async def session() -> list[Reply]:
        replies = []
        async with Client(server) as client:
            for name, arguments in calls:
                result = await client.call_tool(name, arguments)
                (part,) = result.content
                assert isinstance(part, mcp_types.TextContent)
                replies.append(Reply(json.loads(part.text), bool(result.is_error)))
        return replies

    return asyncio.run(session())


def price(symbol: object, date: object) -> Reply:
    return ask(price_server(view_of_monday()), ("get_price_local", {"symbol": symbol, "date": date}))[0]


def schemas(server: Server[Any]) -> Mapping[str, mcp_types.Tool]:
    async def listing() -> Sequence[mcp_types.Tool]:
        async with Client(server) as client:
            return (await client.list_tools()).tools

    return {tool.name: tool for tool in asyncio.run(listing())}


# ---- what the model sees


def test_a_model_sees_the_tools_arguments_and_nothing_of_its_session() -> None:
    view = view_of_monday()
    seen = {
        name: (set(tool.input_schema["properties"]), set(tool.input_schema["required"]))
        for server in (math_server(), price_server(view), trade_server(ledger_of(view)))
        for name, tool in schemas(server).items()
    }
    numbers, bar, order = {"a", "b"}, {"symbol", "date"}, {"symbol", "amount"}
    assert seen == {
        "add": (numbers, numbers),
        "multiply": (numbers, numbers),
        "get_price_local": (bar, bar),
        "buy": (order, order),
        "sell": (order, order),
    }


def test_every_tool_says_what_it_does_and_the_types_of_its_arguments() -> None:
    view = view_of_monday()
    for server in (math_server(), price_server(view), trade_server(ledger_of(view))):
        for tool in schemas(server).values():
            assert tool.description
            assert all(schema["type"] in {"number", "string", "integer"} for schema in _properties(tool))


def _properties(tool: mcp_types.Tool) -> list[dict[str, Any]]:
    return list(tool.input_schema["properties"].values())


# ---- trade


def test_a_fill_answers_with_the_new_cash_and_shares() -> None:
    view = view_of_monday()
    ledger = ledger_of(view, CostModel(per_order=Decimal("0.5")))
    (bought,) = ask(trade_server(ledger), ("buy", {"symbol": "AAPL", "amount": 3}))
    assert not bought.is_error
    assert bought.value == {
        "filled": {"action": "buy", "symbol": "AAPL", "amount": 3, "price": 110.5, "costs": 0.5},
        "cash": 668.0,
        "shares": {"AAPL": 3, "NVDA": 4},
    }
    assert ledger.portfolio == Portfolio(Decimal("668"), {"AAPL": 3, "NVDA": 4})


def test_a_refusal_is_an_error_result_with_its_code_and_numbers() -> None:
    ledger = ledger_of(view_of_monday())
    replies = ask(
        trade_server(ledger),
        ("buy", {"symbol": "AAPL", "amount": 10}),
        ("sell", {"symbol": "AAPL", "amount": 1}),
        ("sell", {"symbol": "NVDA", "amount": 5}),
        ("sell", {"symbol": "NVDA", "amount": 4}),
        ("buy", {"symbol": "TSLA", "amount": 1}),
    )
    assert all(reply.is_error for reply in replies)
    numbers = [{k: v for k, v in reply.value.items() if k != "message"} for reply in replies]
    assert numbers == [
        {"error": "insufficient_cash", "required": 1105.0, "available": 1000.0},
        {"error": "no_position", "have": 0, "want": 1},
        {"error": "insufficient_shares", "have": 4, "want": 5},
        {"error": "no_price"},
        {"error": "unknown_symbol"},
    ]
    assert all(reply.value["message"] for reply in replies)
    assert ledger.portfolio == Portfolio(Decimal("1000"), {"NVDA": 4})


MISSING = "nothing at all"


@pytest.mark.parametrize("amount", ["3", 2.5, -5, 0, MISSING, True, None, [1], {"n": 1}, 1e300, 10**30], ids=str)
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_an_amount_that_is_no_whole_number_of_shares_is_invalid(side: str, amount: object) -> None:
    ledger = ledger_of(view_of_monday())
    order = {"symbol": "AAPL"} if amount is MISSING else {"symbol": "AAPL", "amount": amount}
    (reply,) = ask(trade_server(ledger), (side, order))
    assert reply.is_error
    assert reply.value["error"] == "invalid_amount"
    assert (ledger.fills, len(ledger.refusals)) == ([], 1)


def test_an_order_without_any_argument_is_refused() -> None:
    assert [reply.value["error"] for reply in ask(trade_server(ledger_of(view_of_monday())), ("buy", None))] == [
        "invalid_amount"
    ]


def test_a_missing_symbol_is_unknown() -> None:
    (reply,) = ask(trade_server(ledger_of(view_of_monday())), ("buy", {"amount": 1}))
    assert reply.value["error"] == "unknown_symbol"


@pytest.mark.parametrize("symbol", ["aapl", " AAPL ", "\naApL\t"])
def test_symbols_are_matched_without_regard_to_case_and_space(symbol: str) -> None:
    (bought,) = ask(trade_server(ledger_of(view_of_monday())), ("buy", {"symbol": symbol, "amount": 1}))
    assert bought.value["shares"] == {"AAPL": 1, "NVDA": 4}
    assert price(symbol, "2025-10-03").value["symbol"] == "AAPL"


def test_extra_arguments_that_a_model_sends_are_ignored() -> None:
    ledger = ledger_of(view_of_monday())
    extra = {"_current_position": {"CASH": 1e9}, "today_date": "2025-10-07", "signature": "other", "cash": 1e9}
    bought, refused, bar, total = (
        *ask(
            trade_server(ledger),
            ("buy", {"symbol": "AAPL", "amount": 1, **extra, "price": 0.01}),
            ("buy", {"symbol": "AAPL", "amount": 100, **extra}),
        ),
        *ask(
            price_server(view_of_monday()), ("get_price_local", {"symbol": "AAPL", "date": "2025-10-06", **extra})
        ),
        *ask(math_server(), ("add", {"a": 1, "b": 2, **extra})),
    )
    assert bought.value["cash"] == 889.5
    assert (refused.value["error"], refused.value["available"]) == ("insufficient_cash", 889.5)
    assert bar.value == {"symbol": "AAPL", "date": "2025-10-06", "open": 110.5}
    assert total.value == 3
    assert ledger.portfolio == Portfolio(Decimal("889.5"), {"AAPL": 1, "NVDA": 4})


# ---- price


def test_an_earlier_session_has_its_whole_bar() -> None:
    assert price("AAPL", "2025-10-03") == Reply(
        {
            "symbol": "AAPL",
            "date": "2025-10-03",
            "open": 105.25,
            "high": 110.25,
            "low": 100.25,
            "close": 107.25,
            "volume": 1000,
        },
        is_error=False,
    )


def test_today_has_its_open_only() -> None:
    assert price("AAPL", "2025-10-06") == Reply({"symbol": "AAPL", "date": "2025-10-06", "open": 110.5}, False)


@pytest.mark.parametrize("date", ["2025-10-07", "2025-10-11", "9999-12-31"])
@pytest.mark.parametrize("symbol", ["AAPL", "MSFT"])
def test_a_later_date_reveals_nothing_not_even_whether_there_is_a_price(symbol: str, date: str) -> None:
    reply = price(symbol, date)
    assert reply.is_error
    assert reply.value["error"] == "not_known_yet"
    text = json.dumps(reply.value)
    assert "666" not in text
    assert date not in text
    assert "2025-10-06" in text
    assert reply == price("NVDA", "2025-10-08")


@pytest.mark.parametrize("date", ["2025-10-05", "2025-10-02", "1990-01-02"])
def test_a_day_without_a_bar_is_an_answer(date: str) -> None:
    reply = price("AAPL", date)
    assert (reply.is_error, reply.value["error"]) == (True, "no_price")
    assert date in reply.value["message"]


def test_a_symbol_that_does_not_trade_today_has_no_price_today() -> None:
    assert price("MSFT", "2025-10-06").value["error"] == "no_price"


def test_a_bar_that_only_opened_shows_only_that() -> None:
    assert price("MSFT", "2025-10-03").value == {"symbol": "MSFT", "date": "2025-10-03", "open": 195.0}


@pytest.mark.parametrize(
    "date",
    [
        "2025-10-6",
        "20251006",
        "2025-W41-1",
        "06.10.2025",
        "10/06/2025",
        "2025-10-06T09:30",
        "2025-02-30",
        "today",
        "",
        None,
        20251006,
        ["2025-10-06"],
    ],
    ids=repr,
)
def test_a_date_has_one_form(date: object) -> None:
    reply = price("AAPL", date)
    assert (reply.is_error, reply.value["error"]) == (True, "invalid_date")
    assert "YYYY-MM-DD" in reply.value["message"]


def test_space_around_a_date_does_not_matter() -> None:
    assert price("AAPL", " 2025-10-06\n").value["open"] == 110.5


@pytest.mark.parametrize("symbol", ["TSLA", "", None, 5, ["AAPL"]], ids=repr)
def test_a_symbol_outside_the_universe_has_no_price(symbol: object) -> None:
    reply = price(symbol, "2025-10-03")
    assert (reply.is_error, reply.value["error"]) == (True, "unknown_symbol")


# ---- math


@pytest.mark.parametrize(
    ("tool", "a", "b", "result"),
    [
        ("add", 2, 3, 5),
        ("add", 0.1, 0.2, 0.1 + 0.2),
        ("add", -7.5, "2.5", -5),
        ("multiply", 32, 185.5, 5936),
        ("multiply", -4, 0.25, -1),
        ("multiply", 0, 10**300, 0),
    ],
)
def test_sums_and_products_are_floats(tool: str, a: object, b: object, result: float) -> None:
    assert ask(math_server(), (tool, {"a": a, "b": b})) == [Reply(result, is_error=False)]


@pytest.mark.parametrize("wrong", ["two", None, True, [1], "nan", "inf", 10**400], ids=str)
def test_what_is_no_number_is_named(wrong: object) -> None:
    for arguments, name in (({"a": wrong, "b": 1}, "a"), ({"a": 1, "b": wrong}, "b")):
        (reply,) = ask(math_server(), ("add", arguments))
        assert (reply.is_error, reply.value["error"]) == (True, "invalid_number")
        assert reply.value["message"].startswith(f"{name} must be a number")


def test_a_result_beyond_a_float_is_an_error_and_not_infinity() -> None:
    (reply,) = ask(math_server(), ("multiply", {"a": 1e300, "b": 1e300}))
    assert (reply.is_error, reply.value["error"]) == (True, "out_of_range")


def test_a_server_names_its_tools_when_asked_for_another() -> None:
    (reply,) = ask(math_server(), ("divide", {"a": 1, "b": 0}))
    assert (reply.is_error, reply.value["error"]) == (True, "unknown_tool")
    assert "add, multiply" in reply.value["message"]


# ---- the toolbox


def use(ledger: Ledger, *calls: tuple[str, object]) -> tuple[list[ToolResult], Toolbox]:
    """Call tools through a toolbox of the session's three servers."""

    async def session() -> tuple[list[ToolResult], Toolbox]:
        async with Toolbox.open([price_server(view_of_monday()), trade_server(ledger), math_server()]) as toolbox:
            return [await toolbox.call(name, arguments) for name, arguments in calls], toolbox

    return asyncio.run(session())


def code(result: ToolResult) -> str:
    assert result.is_error, result.text
    return str(json.loads(result.text)["error"])


def test_a_toolbox_shows_the_tools_of_all_its_servers() -> None:
    _, toolbox = use(ledger_of(view_of_monday()))
    shown = {schema.name: sorted(schema.parameters["properties"]) for schema in toolbox.schemas}
    assert shown == {
        "get_price_local": ["date", "symbol"],
        "buy": ["amount", "symbol"],
        "sell": ["amount", "symbol"],
        "add": ["a", "b"],
        "multiply": ["a", "b"],
    }
    assert all(schema.description for schema in toolbox.schemas)


def test_arguments_may_be_an_object_its_json_text_or_that_text_in_a_json_text() -> None:
    ledger = ledger_of(view_of_monday())
    order = {"symbol": "AAPL", "amount": 1}
    texts = json.dumps(order), json.dumps(json.dumps(order))
    results, _ = use(ledger, ("buy", order), *(("buy", text) for text in texts))
    assert [result.is_error for result in results] == [False] * 3
    assert [result.input for result in results] == [order] * 3
    assert json.loads(results[2].text)["shares"] == {"AAPL": 3, "NVDA": 4}


NO_OBJECT = {
    "malformed JSON": '{"symbol": "AAPL", "amount": 1',
    "Python and not JSON": "{'symbol': 'AAPL', 'amount': 1}",
    "two objects": '{"symbol": "AAPL"} {"amount": 1}',
    "a JSON text inside a JSON text": json.dumps("AAPL, 1"),
    "a JSON text twice inside another": json.dumps(json.dumps(json.dumps({"symbol": "AAPL", "amount": 1}))),
    "a list inside a JSON text": json.dumps('["AAPL", 1]'),
    "a list": '["AAPL", 1]',
    "a number": "3",
    "a number that is no text": 3,
    "a list that is no text": ["AAPL", 1],
    "true": True,
    "not a number": '{"symbol": "AAPL", "amount": NaN}',
    "infinity": '{"symbol": "AAPL", "amount": 1e999}',
    "half a character": '{"symbol": "\\ud83d", "amount": 1}',
    "250 brackets": '{"symbol": "AAPL", "amount": 1, "x": ' + "[" * 250 + "]" * 250 + "}",
    "500 brackets": '{"symbol": "AAPL", "amount": 1, "x": ' + "[" * 500 + "]" * 500 + "}",
    "100000 brackets": "[" * 100_000,
    "5000 digits": '{"symbol": "AAPL", "amount": ' + "9" * 5000 + "}",
}


@pytest.mark.parametrize("arguments", NO_OBJECT.values(), ids=NO_OBJECT)
def test_arguments_that_are_no_json_object_are_an_error_text_and_the_day_goes_on(arguments: object) -> None:
    ledger = ledger_of(view_of_monday())
    (wrong, right), _ = use(ledger, ("buy", arguments), ("buy", '{"symbol": "AAPL", "amount": 1}'))
    assert code(wrong) == "invalid_arguments"
    assert not right.is_error
    assert ledger.portfolio.shares == {"AAPL": 1, "NVDA": 4}
    assert ledger.refusals == []


@pytest.mark.parametrize(
    "arguments",
    [*NO_OBJECT.values(), '{"x": ' + "[" * 150 + "]" * 150 + "}", '{"amount": ' + "9" * 4000 + "}"],
    ids=lambda arguments: str(arguments)[:30],
)
def test_whatever_a_trader_sends_the_record_holds_it_and_can_be_read_again(arguments: object) -> None:
    (result,), _ = use(ledger_of(view_of_monday()), ("buy", arguments))
    line = Message(
        role="tool", content=result.text, at=dt.datetime(2025, 10, 6, tzinfo=dt.UTC), tool_input=result.input
    )
    assert Message.model_validate_json(line.model_dump_json()) == line


@pytest.mark.parametrize("arguments", [None, "", "  ", "{}", {}], ids=repr)
def test_no_arguments_are_an_empty_object(arguments: object) -> None:
    (result,), _ = use(ledger_of(view_of_monday()), ("buy", arguments))
    assert code(result) == "invalid_amount"
    assert result.input == {}


@pytest.mark.parametrize("name", ["short", "", "BUY", "trade.buy", "get_information"])
def test_an_unknown_tool_is_an_error_that_names_the_tools_there_are(name: str) -> None:
    (result,), _ = use(ledger_of(view_of_monday()), (name, {"symbol": "AAPL", "amount": 1}))
    assert code(result) == "unknown_tool"
    assert "get_price_local, buy, sell, add, multiply" in result.text


def test_calls_errors_and_seconds_are_counted_per_tool() -> None:
    order = {"symbol": "AAPL", "amount": 1}
    results, toolbox = use(
        ledger_of(view_of_monday()), ("buy", order), ("buy", {}), ("buy", "{"), ("short", order), ("cover", order)
    )
    assert [(tool.name, tool.calls, tool.errors) for tool in toolbox.usage()] == [("buy", 3, 2), ("unknown", 2, 2)]
    assert all(result.seconds >= 0 for result in results)
    assert toolbox.usage()[0].seconds == pytest.approx(sum(result.seconds for result in results[:3]))


def test_what_fails_while_a_toolbox_is_open_comes_out_as_itself() -> None:
    failure = SessionError("the model does not answer")

    async def session() -> None:
        async with Toolbox.open([math_server(), trade_server(ledger_of(view_of_monday()))]):
            raise failure

    with pytest.raises(SessionError) as raised:
        asyncio.run(session())
    assert raised.value is failure


def test_two_servers_with_a_tool_of_one_name_are_refused() -> None:
    async def session() -> None:
        async with Toolbox.open([math_server(), math_server()]):
            pytest.fail("it opened")

    with pytest.raises(ConfigError, match="the tool servers math and math both offer a tool named add"):
        asyncio.run(session())
