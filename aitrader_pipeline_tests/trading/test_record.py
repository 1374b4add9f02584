"""The record: what is written can be read back exactly, and its essence is what the session did."""

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from aitrader_pipeline.trading.ledger import Portfolio, RefusalCode
from aitrader_pipeline.trading.record import (
    Action,
    Book,
    Entry,
    ImportedBook,
    Message,
    ModelCall,
    RecordRef,
    RefusedOrder,
    SessionRecord,
    ToolRequest,
    ToolUse,
    Versions,
)

MORNING = dt.datetime(2025, 10, 3, 13, 30, tzinfo=dt.UTC)


def later(minutes: int) -> dt.datetime:
    return MORNING + dt.timedelta(minutes=minutes)


ORDER = {"symbol": "AAPL", "amount": 3, "launch": "the model's word", "seconds": 1, "at": "open"}
FIELDS: dict[str, Any] = {
    "schema_version": 1,
    "date": dt.date(2025, 10, 3),
    "model": "gpt-5",
    "kind": "model",
    "trader": "openai",
    "launch": "launch-b",
    "session_number": 2,
    "opened_from": RecordRef(date=dt.date(2025, 10, 2), launch="launch-a"),
    "versions": Versions(config="c" * 64, prices="d" * 64, prompt="e" * 64),
    "initial_cash": Decimal("10000"),
    "start": Book(cash=Decimal("1000.000001"), shares={"MSFT": 2}),
    "end": Book(cash=Decimal("700.30"), shares={"AAPL": 3, "MSFT": 2}),
    "actions": (
        Action(
            action_id=1,
            type="buy",
            symbol="AAPL",
            amount=3,
            price=Decimal("99.9"),
            costs=Decimal("0.000001"),
            cash=Decimal("700.3"),
            step=1,
        ),
    ),
    "refusals": (
        RefusedOrder(
            type="sell",
            symbol="NVDA",
            amount="'3'",
            code=RefusalCode.INSUFFICIENT_CASH,
            message="6050 required, 6000 available",
            details={"required": Decimal("6050"), "available": Decimal("6000.50"), "have": 0},
            step=1,
        ),
    ),
    "end_reason": "finished",
    "messages": (
        Message(
            role="assistant",
            content="Zwölf, 十二 \u2028 \x00",
            step=1,
            at=later(1),
            tool_calls=(ToolRequest(id="c1", name="buy", arguments='{"symbol": "AAPL"'),),
            extra={"at": "kept", "reasoning": [1, None, {"launch": True}]},
        ),
        Message(
            role="tool",
            content="{}",
            step=1,
            at=later(2),
            tool_call_id="c1",
            tool_name="buy",
            tool_input=ORDER,
            seconds=0.25,
        ),
    ),
    "calls": (ModelCall(step=1, input_tokens=100, output_tokens=7, cost_usd=0.1, latency_seconds=1.5),),
    "tools": (ToolUse(name="buy", calls=1, errors=0, seconds=0.25),),
    "started_at": MORNING,
    "finished_at": later(3),
    "book": ImportedBook(file="position.jsonl", sha256="f" * 64, lines=(3, 4), breaches=("line 4: no cash",)),
}


def record(**changes: Any) -> SessionRecord:
    return SessionRecord(**(FIELDS | changes))


def changed(entry: Entry, **changes: Any) -> Any:
    return entry.model_copy(update=changes)


def test_a_record_reads_back_as_itself() -> None:
    written = record()
    read = SessionRecord.model_validate_json(written.to_json())
    assert read == written
    assert read.to_json() == written.to_json()
    assert read.essence() == written.essence()
    assert type(read.refusals[0].details["have"]) is int
    assert read.refusals[0].details["required"] == Decimal(6050)


def test_a_record_is_readable_json_with_one_trailing_newline() -> None:
    text = record().to_json()
    assert text.endswith(b"}\n")
    assert text.count(b"\n") > 40
    assert json.loads(text)["model"] == "gpt-5"


def test_money_is_stored_as_exact_decimal_text_never_as_a_float() -> None:
    stored = json.loads(record(initial_cash=Decimal("1E+4")).to_json())
    assert stored["initial_cash"] == "10000"
    assert stored["start"]["cash"] == "1000.000001"
    assert stored["end"]["cash"] == "700.3"
    assert (stored["actions"][0]["price"], stored["actions"][0]["costs"]) == ("99.9", "0.000001")
    assert stored["refusals"][0]["details"] == {"required": "6050", "available": "6000.5", "have": 0}


@given(st.decimals(0, 10**12, places=6))
def test_any_cash_survives_the_file_to_the_millionth(cash: Decimal) -> None:
    read = SessionRecord.model_validate_json(record(end=Book(cash=cash)).to_json())
    assert read.end.cash == cash


def test_a_book_gives_back_the_portfolio_that_it_was_made_of() -> None:
    portfolio = Portfolio(Decimal("4188.81"), {"MSFT": 11, "AAPL": 2})
    assert Book.of(portfolio).portfolio() == portfolio


# ---- the essence

INCIDENTAL: dict[str, dict[str, Any]] = {
    "launch": {"launch": "another"},
    "launch of the record before": {"opened_from": RecordRef(date=dt.date(2025, 10, 2), launch="another")},
    "started_at": {"started_at": later(-9)},
    "finished_at": {"finished_at": later(9)},
    "time of a message": {"messages": tuple(changed(m, at=later(9)) for m in FIELDS["messages"])},
    "seconds of a tool call": {"messages": tuple(changed(m, seconds=9.0) for m in FIELDS["messages"])},
    "latency of a model call": {"calls": (changed(FIELDS["calls"][0], latency_seconds=9.0),)},
    "seconds of a tool": {"tools": (changed(FIELDS["tools"][0], seconds=9.0),)},
}

ESSENTIAL: dict[str, dict[str, Any]] = {
    "date": {"date": dt.date(2025, 10, 6)},
    "model": {"model": "gpt-6"},
    "kind": {"kind": "baseline"},
    "source": {"source": "import"},
    "trader": {"trader": "random"},
    "session number": {"session_number": 3},
    "session that it opened from": {"opened_from": RecordRef(date=dt.date(2025, 10, 1), launch="launch-a")},
    "no session that it opened from": {"opened_from": None},
    "prices": {"versions": changed(FIELDS["versions"], prices="0")},
    "config": {"versions": changed(FIELDS["versions"], config="0")},
    "prompt": {"versions": changed(FIELDS["versions"], prompt="0")},
    "initial cash": {"initial_cash": Decimal("10000.000001")},
    "start": {"start": Book(cash=Decimal(1000))},
    "end": {"end": Book(cash=Decimal("700.3"))},
    "an action's price": {"actions": (changed(FIELDS["actions"][0], price=Decimal("99.91")),)},
    "no actions": {"actions": ()},
    "a refusal's code": {"refusals": (changed(FIELDS["refusals"][0], code=RefusalCode.NO_PRICE),)},
    "end reason": {"end_reason": "max_steps"},
    "what was said": {"messages": (changed(FIELDS["messages"][0], content="Twelve"), FIELDS["messages"][1])},
    "a tool input that is called launch": {
        "messages": (FIELDS["messages"][0], changed(FIELDS["messages"][1], tool_input=ORDER | {"launch": "x"}))
    },
    "an extra that is called at": {
        "messages": (changed(FIELDS["messages"][0], extra={"at": "other"}), FIELDS["messages"][1])
    },
    "tokens": {"calls": (changed(FIELDS["calls"][0], output_tokens=8),)},
    "a tool's errors": {"tools": (changed(FIELDS["tools"][0], errors=1),)},
    "the imported book": {"book": None},
}


@pytest.mark.parametrize("changes", INCIDENTAL.values(), ids=INCIDENTAL)
def test_the_clock_and_the_launch_do_not_change_the_essence(changes: dict[str, Any]) -> None:
    assert record(**changes) != record()
    assert record(**changes).essence() == record().essence()
    assert record(**changes).content_hash == record().content_hash


@pytest.mark.parametrize("changes", ESSENTIAL.values(), ids=ESSENTIAL)
def test_anything_else_changes_the_essence(changes: dict[str, Any]) -> None:
    assert record(**changes).essence() != record().essence()
    assert record(**changes).content_hash != record().content_hash


def test_the_same_cash_written_with_other_zeros_has_the_same_essence() -> None:
    shorter = Book(cash=Decimal("700.3"), shares={"MSFT": 2, "AAPL": 3})
    assert record(end=shorter).essence() == record().essence()


def test_a_first_session_opens_from_nothing_and_has_an_essence() -> None:
    assert json.loads(record(opened_from=None).essence())["opened_from"] is None


# ---- what a record refuses

WRONG: dict[str, tuple[list[str | int], Any]] = {
    "a field that nobody declared": (["colour"], "red"),
    "a field of an action that nobody declared": (["actions", 0, "colour"], "red"),
    "a newer schema": (["schema_version"], 2),
    "negative cash": (["end", "cash"], "-0.01"),
    "no shares": (["end", "shares", "AAPL"], 0),
    "half a share": (["end", "shares", "AAPL"], 1.5),
    "an action without number": (["actions", 0, "action_id"], 0),
    "a free share": (["actions", 0, "price"], "0"),
    "negative costs": (["actions", 0, "costs"], "-1"),
    "an end without a reason": (["end_reason"], "tired"),
    "a refusal without a code": (["refusals", 0, "code"], "mood"),
    "cash that is not a number": (["start", "cash"], "NaN"),
}


@pytest.mark.parametrize(("path", "value"), WRONG.values(), ids=WRONG)
def test_a_record_that_breaks_the_schema_is_refused_where_it_does(path: list[str | int], value: object) -> None:
    stored = json.loads(record().to_json())
    place = stored
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(ValidationError) as refused:
        SessionRecord.model_validate_json(json.dumps(stored))
    # What kind of action it is stands within the place as well.
    found = [tuple(step for step in error["loc"] if step != "buy") for error in refused.value.errors()]
    assert found == [tuple(path)]


def test_a_record_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        record().model = "other"  # type: ignore[misc] # it is the point
