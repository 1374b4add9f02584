"""The table of decisions: every order with its reasons, its refusal or its fill."""

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from aitrader_pipeline.market.prices import save_prices
from aitrader_pipeline.market.sources import open_source
from aitrader_pipeline.performance.books import write_books
from aitrader_pipeline.store.mart import migrate
from aitrader_pipeline.trading.arena import Arena
from aitrader_pipeline.trading.book_import import read_book
from aitrader_pipeline.trading.chains import Cell
from aitrader_pipeline.trading.decision_log import forget_decisions, write_decisions
from aitrader_pipeline.trading.record import SessionRecord
from aitrader_pipeline_tests.markets import (
    FLAT,
    OCT_02,
    OCT_03,
    OCT_06,
    baseline,
    day,
    finished,
    model,
    new_arena,
    stored,
)
from aitrader_pipeline_tests.openai_server import FINISH, Call, OpenAIServer, buy, call, says, sell
from aitrader_pipeline_tests.recorded_books import golden_book, write_book
from aitrader_pipeline_tests.series import rows_of

Mart = duckdb.DuckDBPyConnection
M = "model-a"
OPEN = dt.datetime(2025, 10, 2, 13, 30, tzinfo=dt.UTC)


@pytest.fixture
def mart() -> Iterator[Mart]:
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        migrate(con)
        yield con


def logged(mart: Mart, arena: Arena, records: list[SessionRecord]) -> list[dict[str, Any]]:
    """Write prices, books and decisions of these sessions, and read the decisions."""
    source = arena.config.market
    save_prices(mart, open_source(source.source, source.path).read(source.calendar), dt.datetime.now(dt.UTC))
    write_books(mart, records)
    write_decisions(mart, records, arena.calendar)
    return rows_of(mart, "FROM decision_log ORDER BY date, model_id, decision_number")


def asked(
    mart: Mart, folder: Path, endpoint: OpenAIServer, *turns: tuple[str, tuple[Call, ...]]
) -> list[dict[str, Any]]:
    """The log of a session of these turns, on a market where AAPL opens at 100."""
    endpoint.script(M, *(says(text, *calls) for text, calls in turns), says(FINISH))
    arena = new_arena(folder, [model(M, endpoint.base_url)], FLAT)
    return logged(mart, arena, finished(arena, M, OCT_02))


def test_a_filled_order_is_logged_with_its_reasons_and_its_fill(
    mart: Mart, tmp_path: Path, endpoint: OpenAIServer
) -> None:
    (row,) = asked(mart, tmp_path, endpoint, ("It goes up. Confidence: 80", (buy("AAPL", 2),)))
    decided_at, job = row.pop("decided_at"), row.pop("job_id")
    assert (job, decided_at.date() > day(OCT_02)) == ("launch-1", True)
    assert row == {
        "date": day(OCT_02),
        "model_id": M,
        "decision_number": 1,
        "symbol": "AAPL",
        "decision": "buy",
        "reasoning": "It goes up. Confidence: 80",
        "confidence": 80,
        "timestamp": OPEN,
        "current_price": 100,
        "position_size": 2,
        "entry_price": None,
        "stop_loss": None,
        "take_profit": None,
        "direction": "long",
        "executed": True,
        "execution_price": 100,
        "execution_time": OPEN,
        "execution_status": "filled",
        "action_id": 1,
        "refusal": None,
    }


def test_a_refused_order_is_logged_with_the_price_it_would_have_had_and_why(
    mart: Mart, tmp_path: Path, endpoint: OpenAIServer
) -> None:
    orders = (buy("AAPL", 1_000_000), sell("AAPL", 3), buy("ZZZZ", 1), buy("AAPL", 2.5), buy("AAPL", -4))
    rows = asked(mart, tmp_path, endpoint, ("All of it.", orders))
    assert [(r["symbol"], r["position_size"], r["current_price"], r["refusal"]) for r in rows] == [
        ("AAPL", 1_000_000, 100, "insufficient_cash"),
        ("AAPL", 3, 100, "no_position"),
        ("ZZZZ", 1, None, "unknown_symbol"),
        ("AAPL", None, 100, "invalid_amount"),
        ("AAPL", None, 100, "invalid_amount"),
    ]
    assert {(r["executed"], r["execution_status"], r["execution_price"], r["action_id"]) for r in rows} == {
        (False, "rejected", None, None)
    }


def test_a_call_that_could_not_be_read_is_no_order_and_shifts_no_other(
    mart: Mart, tmp_path: Path, endpoint: OpenAIServer
) -> None:
    unreadable = Call("buy", "{not JSON")
    orders = (buy("AAPL", 1_000_000), buy("AAPL", 2))
    rows = asked(mart, tmp_path, endpoint, ("Garbled.", (unreadable,)), ("Clear.", orders))
    assert [(r["decision_number"], r["position_size"], r["refusal"], r["reasoning"]) for r in rows] == [
        (1, 1_000_000, "insufficient_cash", "Clear."),
        (2, 2, None, "Clear."),
    ]


def test_what_an_order_states_beside_symbol_and_amount_is_kept_where_it_is_a_price(
    mart: Mart, tmp_path: Path, endpoint: OpenAIServer
) -> None:
    good = call("buy", symbol="AAPL", amount=1, entry_price=99.5, stop_loss=90, take_profit=120.1234567)
    bad = call("buy", symbol="AAPL", amount=1, entry_price="99", stop_loss=-1, take_profit=1e300)
    worse = call("buy", symbol="AAPL", amount=1, entry_price=True, stop_loss=0, take_profit=None)
    rows = asked(mart, tmp_path, endpoint, ("Now.", (good, bad, worse)))
    assert [(r["entry_price"], r["stop_loss"], r["take_profit"]) for r in rows] == [
        (Decimal("99.5"), 90, Decimal("120.123457")),
        (None, None, None),
        (None, None, None),
    ]


def test_every_fill_is_linked_to_the_decision_that_it_follows_from(
    mart: Mart, tmp_path: Path, endpoint: OpenAIServer
) -> None:
    orders = (buy("AAPL", 3), sell("AAPL", 9), sell("AAPL", 1), buy("AAPL", 5))
    asked(mart, tmp_path, endpoint, ("In and out.", orders))
    linked = (
        "SELECT d.decision_number FROM decision_log AS d JOIN positions AS p ON p.date = d.date "
        "AND p.model = d.model_id AND p.action_id = d.action_id AND p.action_type = d.decision "
        "AND p.symbol = d.symbol AND p.amount = d.position_size AND p.price = d.execution_price ORDER BY ALL"
    )
    assert mart.execute(linked).fetchall() == [(1,), (3,), (4,)]


def test_a_corporate_action_of_the_day_comes_before_the_fills_that_decisions_are_linked_to(
    mart: Mart, tmp_path: Path
) -> None:
    arena = new_arena(tmp_path, [baseline("random", seed=3)], FLAT, actions=["AAPL,2025-10-03,dividend,5"])
    rows = logged(mart, arena, finished(arena, "random", [OCT_02, OCT_03, OCT_06]))
    assert len(rows) > 0
    unlinked = (
        "SELECT count(*) FROM positions AS p ANTI JOIN decision_log AS d ON d.date = p.date "
        "AND d.model_id = p.model AND d.action_id = p.action_id WHERE p.action_type IN ('buy', 'sell')"
    )
    assert mart.execute(unlinked).fetchall() == [(0,)]


def test_a_rule_s_orders_are_logged_without_words(mart: Mart, tmp_path: Path) -> None:
    arena = new_arena(tmp_path, [baseline("buy_and_hold")], FLAT)
    (row,) = logged(mart, arena, finished(arena, "buy_and_hold", OCT_02))
    assert (row["decision"], row["executed"], row["reasoning"], row["confidence"]) == ("buy", True, None, None)


def test_the_fills_of_a_recorded_book_are_its_decisions(mart: Mart, tmp_path: Path) -> None:
    arena = new_arena(tmp_path, [baseline("cash")])
    records = list(read_book(M, write_book(tmp_path, golden_book()), arena, "import-1").records)
    rows = logged(mart, arena, records)
    assert [(str(r["date"]), r["decision"], r["symbol"], r["position_size"], r["action_id"]) for r in rows] == [
        (OCT_02, "buy", "AAPL", 20, 1),
        (OCT_02, "buy", "MSFT", 10, 2),
        (OCT_02, "buy", "NVDA", 100, 3),
        (OCT_06, "sell", "AAPL", 15, 1),
        (OCT_06, "buy", "MSFT", 13, 2),
        (OCT_06, "sell", "NVDA", 100, 3),
        ("2025-10-07", "buy", "NVDA", 10, 1),
    ]
    assert {(r["reasoning"], r["decided_at"]) for r in rows} == {(None, None)}


def test_a_session_that_is_run_again_leaves_no_decision_of_before(
    mart: Mart, tmp_path: Path, endpoint: OpenAIServer
) -> None:
    endpoint.script(M, says("Two.", buy("AAPL", 2), buy("AAPL", 1)), says(FINISH), says("Then.", sell("AAPL", 1)))
    endpoint.script(M, says(FINISH))
    arena = new_arena(tmp_path, [model(M, endpoint.base_url)], FLAT)
    first = finished(arena, M, [OCT_02, OCT_03])
    assert len(logged(mart, arena, first)) == 3
    endpoint.forget()
    endpoint.script(M, says("One.", buy("AAPL", 1)), says(FINISH))
    finished(arena, M, OCT_02, launch="launch-2")
    write_decisions(mart, [stored(arena, M, OCT_02)], arena.calendar)
    rows = rows_of(mart, "FROM decision_log ORDER BY date")
    assert [(str(r["date"]), r["reasoning"], r["job_id"]) for r in rows] == [
        (OCT_02, "One.", "launch-2"),
        (OCT_03, "Then.", "launch-1"),
    ]


def test_decisions_that_are_forgotten_leave_the_others_alone(mart: Mart, tmp_path: Path) -> None:
    arena = new_arena(tmp_path, [baseline("cash")])
    records = list(read_book(M, write_book(tmp_path, golden_book()), arena, "import-1").records)
    logged(mart, arena, records)
    forget_decisions(mart, [Cell(day(OCT_02), M), Cell(day(OCT_06), "another")])
    assert {str(row["date"]) for row in rows_of(mart, "FROM decision_log")} == {OCT_06, "2025-10-07"}


GOOD = {
    "job_id": "launch-1",
    "date": day(OCT_02),
    "model_id": M,
    "decision_number": 1,
    "symbol": "AAPL",
    "decision": "buy",
    "timestamp": OPEN,
    "executed": True,
    "execution_status": "filled",
    "execution_price": 100,
    "execution_time": OPEN,
    "action_id": 1,
}
REFUSED = {
    "executed": False,
    "execution_status": "rejected",
    "execution_price": None,
    "execution_time": None,
    "action_id": None,
    "refusal": "no_position",
}
BAD: dict[str, dict[str, Any]] = {
    "an unknown decision": {"decision": "wait"},
    "no decision": {"decision": None},
    "no symbol": {"symbol": None},
    "a confidence above 100": {"confidence": 100.5},
    "a confidence below 0": {"confidence": -1},
    "an unknown direction": {"direction": "sideways"},
    "an unknown status": {"execution_status": "lost"},
    "a price of nothing": {"current_price": 0},
    "a stop loss below nothing": {"stop_loss": -5},
    "a take profit of nothing": {"take_profit": 0},
    "an entry price of nothing": {"entry_price": 0},
    "no shares": {"position_size": 0},
    "a fill without a price": {"execution_price": None},
    "a fill without a time": {"execution_time": None},
    "a fill without its action": {"action_id": None},
    "a fill that is called rejected": {"execution_status": "rejected"},
    "a refusal without a reason": {**REFUSED, "refusal": None},
    "a refusal with a price": {**REFUSED, "execution_price": 100},
    "a fill with a reason for its refusal": {"refusal": "no_position"},
    "a second one of the same number": {},
}


def insert(mart: Mart, row: dict[str, Any]) -> None:
    mart.execute("INSERT INTO decision_log BY NAME SELECT unnest($row)", {"row": row})


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_row_that_cannot_be_is_rejected(mart: Mart, bad: dict[str, Any]) -> None:
    insert(mart, {**GOOD, "decision_number": 1})
    insert(mart, {**GOOD, **REFUSED, "decision_number": 2})
    number = 3 if bad else 1
    with pytest.raises(duckdb.ConstraintException):
        insert(mart, {**GOOD, "decision_number": number, **bad})
