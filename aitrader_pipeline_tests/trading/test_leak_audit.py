"""The leak audit: real sessions are clean; what is planted is found, and what only looks like it is not."""

import datetime as dt
import json
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from aitrader_pipeline.config import PROJECT_ROOT, ArenaConfig
from aitrader_pipeline.market.calendar import TradingCalendar
from aitrader_pipeline.market.sources import open_source
from aitrader_pipeline.market.view import PriceHistory
from aitrader_pipeline.store.records import RecordStore
from aitrader_pipeline.trading.arena import Arena
from aitrader_pipeline.trading.chains import Cell, Order, run_order
from aitrader_pipeline.trading.fake_openai.models import small_buyer
from aitrader_pipeline.trading.leak_audit import Leak, LeakAudit
from aitrader_pipeline.trading.record import Message, SessionRecord, ToolRequest
from aitrader_pipeline_tests.markets import (
    ENVIRON,
    OCT_02,
    OCT_03,
    TEN_DAYS,
    Quotes,
    day,
    finished,
    model,
    open_arena,
    write_arena,
)
from aitrader_pipeline_tests.model_sessions import M
from aitrader_pipeline_tests.openai_server import Answer, OpenAIServer, Received, buy, call, finishes, says, sell

# Every price has its own cents; AAPL's are below 200, MSFT's are not.
QUOTES: Quotes = {
    "AAPL": {date: (f"{150 + n}.{11 + n}", f"{151 + n}.{31 + n}") for n, date in enumerate(TEN_DAYS)},
    "MSFT": {date: (f"{510 + n}.{51 + n}", f"{509 + n}.{71 + n}") for n, date in enumerate(TEN_DAYS)},
}
TODAY, TOMORROW, NEXT_WEEK = TEN_DAYS[3], TEN_DAYS[4], TEN_DAYS[8]
TODAYS_CLOSE, NEXT_WEEKS_CLOSE, TOO_FAR_AHEAD = "154.34", "159.39", "160.40"


def audit_of(arena: Arena) -> LeakAudit:
    return LeakAudit(arena.history, arena.calendar.open_at)


def leaks(arena: Arena, record: SessionRecord) -> list[tuple[str, str, str | None, str, str]]:
    """What is found, without where."""
    found = audit_of(arena).leaks(record)
    return [(leak.source, leak.kind, leak.symbol, leak.value, leak.of_date.isoformat()) for leak in found]


def arena_of(folder: Path, endpoint: OpenAIServer, **settings: Any) -> Arena:
    write_arena(folder, [model(M, endpoint.base_url)], QUOTES, **settings)
    return open_arena(folder)


def curious(request: Received) -> Answer:
    """Asks for every bar there is, trades, is refused, and tells everything that it was told."""
    if len(request.messages) == 2:
        return says(
            "", *[call("get_price_local", symbol=s, date=d) for s in QUOTES for d in (*TEN_DAYS, "10/20/2025")]
        )
    if "filled" not in json.dumps(request.results()):
        return says("", buy("AAPL", 2), buy("MSFT", 1), buy("MSFT", 500), sell("AAPL", 1), sell("AAPL", 9))
    return finishes(json.dumps(request.results()) + request.prompt)


# --- real sessions are clean ---


def test_the_sample_arena_s_sessions_hold_nothing_of_the_future(tmp_path: Path) -> None:
    config = ArenaConfig.load(PROJECT_ROOT / "configs" / "default_config.json")
    first, last = dt.date(2012, 10, 1), dt.date(2012, 10, 26)
    calendar = TradingCalendar(config.market.calendar, first, last)
    bars = open_source(config.market.source, config.market.path).read(config.market.calendar).bars
    arena = Arena(config, calendar, PriceHistory(bars), RecordStore(tmp_path))
    sessions = calendar.sessions(first, last)
    cells = frozenset(Cell(date, entry.signature) for date in sessions for entry in config.enabled_models)
    assert run_order(arena, Order(cells, launch="launch-1")).failures == []
    records = [arena.records.read(cell.model, cell.date) for cell in cells]
    assert len(records) == len(config.enabled_models) * len(sessions) > 100
    assert [leaks(arena, record) for record in records if record and leaks(arena, record)] == []


@pytest.mark.parametrize("trader", [small_buyer, curious])
def test_the_sessions_of_models_hold_nothing_of_the_future(
    tmp_path: Path, endpoint: OpenAIServer, trader: Callable[[Received], Answer]
) -> None:
    endpoint.respond(M, trader)
    arena = arena_of(tmp_path, endpoint, costs={"per_order": 0.35})
    records = finished(arena, M, TEN_DAYS)
    assert [leaks(arena, record) for record in records] == [[]] * len(TEN_DAYS)
    assert all(any(message.role == "tool" for message in record.messages) for record in records)


# --- planted in real sessions ---


def test_a_prompt_with_tomorrow_s_date_is_found_on_that_day_alone(tmp_path: Path, endpoint: OpenAIServer) -> None:
    (tmp_path / "prompt.txt").write_text(
        "It is {{ date }}. Sell everything by 8 October 2025. {{ finish_signal }}"
    )
    arena = arena_of(tmp_path, endpoint, prompt_template="prompt.txt")
    endpoint.respond(M, lambda _: finishes())
    before, on_it = finished(arena, M, TEN_DAYS[:5])[3:]
    assert leaks(arena, before) == [("told", "later_date", None, "8 October 2025", TOMORROW)]
    assert leaks(arena, on_it) == []


def test_a_model_that_quotes_next_week_s_close_is_found_to_have_said_it(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    arena = arena_of(tmp_path, endpoint)
    endpoint.respond(
        M, lambda _: finishes(f"I recall AAPL at ${NEXT_WEEKS_CLOSE} next week, then {TOO_FAR_AHEAD}.")
    )
    record = finished(arena, M, TEN_DAYS[:4])[-1]
    (leak,) = audit_of(arena).leaks(record)
    assert leak == Leak(
        step_number=3,
        source="said",
        kind="later_price",
        symbol="AAPL",
        value=NEXT_WEEKS_CLOSE,
        of_date=day(NEXT_WEEK),
        text=f"I recall AAPL at ${NEXT_WEEKS_CLOSE} next week, then {TOO_FAR_AHEAD}. <FINISH_SIGNAL>",
    )


TOOL = """
from mcp.server.mcpserver import MCPServer
server = MCPServer("quotes")
@server.tool()
async def quote(symbol: str) -> str:
    "The newest price."
    return '{"symbol": "' + symbol + '", "close": %s}'
server.run("stdio")
"""


def test_a_tool_of_one_s_own_that_tells_today_s_close_is_found(tmp_path: Path, endpoint: OpenAIServer) -> None:
    write_arena(tmp_path, [model(M, endpoint.base_url)], QUOTES)
    (tmp_path / "quotes.py").write_text(TOOL % TODAYS_CLOSE)
    path = tmp_path / "config.json"
    servers = {"quotes": {"command": sys.executable, "args": [str(tmp_path / "quotes.py")]}}
    path.write_text(json.dumps({**json.loads(path.read_text()), "mcpServers": servers}))
    arena = open_arena(tmp_path, ENVIRON)
    asks = says("", call("quote", symbol="AAPL"), call("quote", symbol="MSFT"))
    endpoint.script(M, *[finishes()] * 3, asks, finishes(f"AAPL closes at {TODAYS_CLOSE}."))
    record = finished(arena, M, TEN_DAYS[:4])[-1]
    # The model only repeats it.
    assert leaks(arena, record) == [("told", "price_of_the_day", "AAPL", TODAYS_CLOSE, TODAY)]


# --- planted in records ---


@pytest.fixture
def arena(tmp_path: Path, endpoint: OpenAIServer) -> Arena:
    return arena_of(tmp_path, endpoint)


@pytest.fixture
def record(arena: Arena, endpoint: OpenAIServer) -> SessionRecord:
    """A clean session of the fourth day that buys; its orders leave 9,693.52 in cash."""
    endpoint.script(M, *[finishes()] * 3, says("", buy("AAPL", 2)), finishes())
    return finished(arena, M, TEN_DAYS[:4])[-1]


def message(role: Any, content: str, **fields: Any) -> Message:
    return Message(role=role, content=content, at=dt.datetime.now(dt.UTC), **fields)


def with_messages(record: SessionRecord, *messages: Message) -> SessionRecord:
    return record.model_copy(update={"messages": (*record.messages, *messages)})


def search_answer(*results: tuple[str, str]) -> Message:
    content = {
        "published_before": f"{TODAY}T13:30:00Z",
        "results": [{"published": published, "page": f"<<<page\n{page}\npage>>>"} for published, page in results],
    }
    return message("tool", json.dumps(content), tool_name="get_information")


def page(text: str = "All is well.", address: str = "https://news.example/1") -> str:
    return f"A title\n{address}\n\n{text}"


PUBLISHED = {
    "tomorrow": (TOMORROW, TOMORROW),
    "tomorrow with a time": (f"{TOMORROW}T01:00:00Z", TOMORROW),
    "today after the open": (f"{TODAY}T13:30:00Z", TODAY),
}


@pytest.mark.parametrize(("published", "date"), PUBLISHED.values(), ids=PUBLISHED)
def test_a_search_result_of_after_the_open_is_found(
    arena: Arena, record: SessionRecord, published: str, date: str
) -> None:
    planted = with_messages(record, search_answer((OCT_02, page()), (published, page())))
    assert leaks(arena, planted) == [("told", "later_date", None, published, date)]


def test_a_search_result_may_tell_of_what_is_planned_but_not_lie_under_a_later_address(
    arena: Arena, record: SessionRecord
) -> None:
    announced = page("Apple reports on October 30, 2025, as it has said on 2025-10-01.")
    before = f"{TODAY}T13:29:59Z"
    assert leaks(arena, with_messages(record, search_answer((before, announced)))) == []
    misdated = page(address="https://news.example/2025/10/09/apple-falls")
    planted = with_messages(record, search_answer((OCT_03, misdated)))
    assert leaks(arena, planted) == [("told", "later_date", None, "/2025/10/09", "2025-10-09")]


def test_a_price_in_a_page_is_that_of_the_symbol_that_its_paragraph_names(
    arena: Arena, record: SessionRecord
) -> None:
    text = f"MSFT is fine.\n\nAAPL fell.\nIt closed at {TODAYS_CLOSE}, from 153.33."
    planted = with_messages(record, search_answer((OCT_03, page(text))))
    assert leaks(arena, planted) == [("told", "price_of_the_day", "AAPL", TODAYS_CLOSE, TODAY)]


DATES = [
    TOMORROW,
    f"{TOMORROW}T09:30:00",
    "20251008T093000",
    "2025/10/8",
    "October 8, 2025",
    "Oct. 8th 2025",
    "Wed, 08 Oct 2025 09:30:00 GMT",
    "the 8th of October, 2025",
    "10/18/2025",
    "18.10.2025",
]


@pytest.mark.parametrize("written", DATES)
@pytest.mark.parametrize("role", ["system", "user", "tool"])
def test_a_later_date_is_found_however_it_is_written_and_whoever_tells_it(
    arena: Arena, record: SessionRecord, written: str, role: str
) -> None:
    planted = with_messages(record, message(role, f"As of {written}: all is well."))
    assert [(source, kind) for source, kind, *_ in leaks(arena, planted)] == [("told", "later_date")]


NO_LEAKS = {
    "today's date": ("user", f"It is {TODAY}, October 7th, 2025."),
    "a date that may be an earlier one": ("tool", "10/08/2025 was 8 months ago, or 08.10.2024."),
    "a volume that looks like a date": ("tool", '{"symbol": "AAPL", "volume": 20251231}'),
    "no date at all": ("tool", "2025-13-45 and 31.31.2025"),
    "today's open": ("tool", '{"symbol": "AAPL", "open": 153.14}'),
    "an earlier close": ("tool", '{"symbol": "AAPL", "close": 153.33}'),
    "the close of a session too far ahead": ("tool", f'{{"symbol": "AAPL", "close": {TOO_FAR_AHEAD}}}'),
    "another symbol's": ("tool", f'{{"symbol": "MSFT", "close": {TODAYS_CLOSE}}}'),
    "nobody's": ("user", f"The result is {TODAYS_CLOSE}."),
    "a symbol of an earlier line of a prompt": ("user", f"AAPL: 3 shares\nProfit: {TODAYS_CLOSE}"),
    "a share": ("tool", f"AAPL rose by {TODAYS_CLOSE} % and {TODAYS_CLOSE}%"),
    "a loss": ("tool", f"AAPL -{TODAYS_CLOSE}"),
    "a longer number": ("tool", f"AAPL 1{TODAYS_CLOSE} {TODAYS_CLOSE}1 1,{TODAYS_CLOSE}"),
    "a word that only begins like it": ("tool", f"AAPLX closed at {TODAYS_CLOSE}"),
    "a plan for tomorrow": ("assistant", f"I look at it again on {TOMORROW}."),
    "a rounded target": ("assistant", "AAPL to 154.00, then 154.3."),
}


@pytest.mark.parametrize(("role", "text"), NO_LEAKS.values(), ids=NO_LEAKS)
def test_what_only_looks_like_a_leak_is_none(arena: Arena, record: SessionRecord, role: str, text: str) -> None:
    assert leaks(arena, with_messages(record, message(role, text))) == []


@pytest.mark.parametrize(
    "text",
    [
        f"AAPL {TODAYS_CLOSE}",
        f"AAPL: open 153.14, close ${TODAYS_CLOSE}.",
        f"{TODAYS_CLOSE} is the close of AAPL",
        f"MSFT 513.54, AAPL/{TODAYS_CLOSE}",
        f"MSFT/AAPL,{TODAY},154.340000",
        f'{{"AAPL": {{"close": {TODAYS_CLOSE}}}, "MSFT": {{"open": 513.54}}}}',
        f'{{\n "symbol": "AAPL",\n "close": {TODAYS_CLOSE}\n}}',
    ],
)
def test_a_price_is_found_in_whatever_form_it_stands_with_its_symbol(
    arena: Arena, record: SessionRecord, text: str
) -> None:
    (found,) = leaks(arena, with_messages(record, message("tool", text)))
    assert (found[:3], found[4]) == (("told", "price_of_the_day", "AAPL"), TODAY)


def test_a_later_price_that_the_session_could_see_of_an_earlier_bar_is_none(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    quotes = {"AAPL": {OCT_02: ("101.23", "102.34"), OCT_03: ("105.67", "101.23")}}
    write_arena(tmp_path, [model(M, endpoint.base_url)], quotes)
    arena = open_arena(tmp_path)
    endpoint.script(M, finishes("AAPL: 101.23, 105.67"))
    assert leaks(arena, finished(arena, M, OCT_02)[0]) == [("said", "later_price", "AAPL", "105.67", OCT_03)]


def test_a_figure_of_the_ledger_is_none(arena: Arena, record: SessionRecord) -> None:
    planted = with_messages(record, message("tool", f'{{"symbol": "AAPL", "cash": {TODAYS_CLOSE}}}'))
    assert len(leaks(arena, planted)) == 1
    (bought,) = record.actions
    left_with_that = bought.model_copy(update={"cash": Decimal(TODAYS_CLOSE)})
    assert leaks(arena, planted.model_copy(update={"actions": (left_with_that,)})) == []


def test_what_a_model_says_or_asks_first_is_not_told_to_it(arena: Arena, record: SessionRecord) -> None:
    asks = message(
        "assistant",
        "",
        tool_calls=(ToolRequest(id="1", name="echo", arguments={"text": f"AAPL {TODAYS_CLOSE} on {TOMORROW}"}),),
    )
    echo = message("tool", f"AAPL {TODAYS_CLOSE} on {TOMORROW}")
    assert leaks(arena, with_messages(record, asks, echo)) == []
    said = message("assistant", f"AAPL {TODAYS_CLOSE}")
    assert [source for source, *_ in leaks(arena, with_messages(record, said, echo, said))] == ["said", "told"]
    assert [source for source, *_ in leaks(arena, with_messages(record, echo, said))] == ["told", "told"]
