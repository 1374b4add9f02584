"""The books of the mart: positions, holdings and daily P&L of model-days, from their records and the prices."""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

import duckdb

from aitrader_pipeline.errors import PriceError, StoreError
from aitrader_pipeline.money import money_text
from aitrader_pipeline.store.sql import statement
from aitrader_pipeline.store.staging import create_staging, insert_rows
from aitrader_pipeline.trading.chains import Cell
from aitrader_pipeline.trading.record import Action, AppliedAction, Book, SessionRecord

_PACKAGE = "aitrader_pipeline.performance"
_MONEY = "DECIMAL(18, 6)"
_SESSIONS = {
    "date": "DATE",
    "model": "VARCHAR",
    "kind": "VARCHAR",
    "source": "VARCHAR",
    "previous_date": "DATE",
    "initial_cash": _MONEY,
    "start_cash": _MONEY,
    "opening_cash": _MONEY,
    "end_cash": _MONEY,
    "events": "INTEGER",
    "trades": "INTEGER",
    "costs": _MONEY,
}
_ACTIONS = {
    "job_id": "VARCHAR",
    "date": "DATE",
    "model": "VARCHAR",
    "action_id": "INTEGER",
    "action_type": "VARCHAR",
    "symbol": "VARCHAR",
    "amount": "BIGINT",
    "price": _MONEY,
    "costs": _MONEY,
    "cash": _MONEY,
    "created_at": "TIMESTAMPTZ",
    "ratio": "DECIMAL(28, 12)",
    "new_symbol": "VARCHAR",
}
_HOLDINGS = {"date": "DATE", "model": "VARCHAR", "action_id": "INTEGER", "symbol": "VARCHAR", "quantity": "BIGINT"}
_TABLES = ("positions", "holdings", "daily_pnl")


def write_books(con: duckdb.DuckDBPyConnection, records: Sequence[SessionRecord]) -> None:
    """Replace the rows of exactly these model-days in ``positions``, ``holdings`` and ``daily_pnl``.

    Args:
        con: a connection to the mart, inside the caller's transaction.
        records: the records of the model-days.

    Raises:
        StoreError: a record's actions do not lead from its start to its end.
        PriceError: a holding has no price at all.
    """
    create_staging(con, "sessions", _SESSIONS)
    create_staging(con, "session_actions", _ACTIONS)
    create_staging(con, "session_holdings", _HOLDINGS)
    insert_rows(con, "sessions", list(_SESSIONS), [_session_row(r) for r in records])
    insert_rows(con, "session_actions", list(_ACTIONS), [row for r in records for row in _action_rows(r)])
    insert_rows(con, "session_holdings", list(_HOLDINGS), [row for r in records for row in _holding_rows(r)])
    con.execute(statement(_PACKAGE, "value_holdings"))
    _refuse_unpriced(con)
    con.execute(statement(_PACKAGE, "score_sessions"))
    for table in _TABLES:
        con.execute(statement(_PACKAGE, f"delete_{table}"))
        con.execute(statement(_PACKAGE, f"insert_{table}"))


def scored_cells(con: duckdb.DuckDBPyConnection) -> frozenset[Cell]:
    """Model-days that need no scoring: their figures are those that the stored prices give.

    Args:
        con: a connection to the mart; it may be read-only.
    """
    create_staging(con, "sessions", _SESSIONS)
    create_staging(con, "session_holdings", _HOLDINGS)
    con.execute(statement(_PACKAGE, "stage_stored_sessions"))
    con.execute("INSERT INTO session_holdings BY NAME SELECT * FROM holdings")
    con.execute(statement(_PACKAGE, "value_holdings"))
    con.execute(statement(_PACKAGE, "score_sessions"))
    rows = con.execute(statement(_PACKAGE, "scored_cells")).fetchall()
    return frozenset(Cell(date, model) for date, model in rows)


def stage_closing_marks(con: duckdb.DuckDBPyConnection) -> None:
    """Stage what each model holds after its newest scored session with its marks, as `valued_holdings`.

    Args:
        con: a connection to the mart, whose ``portfolio_timeseries`` is up to date.
    """
    create_staging(con, "sessions", _SESSIONS)
    create_staging(con, "session_holdings", _HOLDINGS)
    con.execute(statement(_PACKAGE, "stage_last_sessions"))
    con.execute(statement(_PACKAGE, "stage_last_holdings"))
    con.execute(statement(_PACKAGE, "value_holdings"))


def forget_cells(con: duckdb.DuckDBPyConnection, cells: Iterable[Cell]) -> None:
    """Delete the rows of model-days whose records are gone, inside the caller's transaction."""
    create_staging(con, "sessions", {"date": "DATE", "model": "VARCHAR"})
    insert_rows(con, "sessions", ("date", "model"), cells)
    for table in _TABLES:
        con.execute(statement(_PACKAGE, f"delete_{table}"))


def _session_row(record: SessionRecord) -> tuple[Any, ...]:
    return (
        record.date,
        record.model,
        record.kind,
        record.source,
        record.opened_from.date if record.opened_from else None,
        money_text(record.initial_cash),
        money_text(record.start.cash),
        money_text(record.events[-1].cash if record.events else record.start.cash),
        money_text(record.end.cash),
        len(record.events),
        len(record.fills),
        money_text(sum((fill.costs for fill in record.fills), start=Decimal(0))),
    )


def _action_rows(record: SessionRecord) -> Iterator[tuple[Any, ...]]:
    cell, at = (record.launch, record.date, record.model), record.finished_at
    yield (*cell, 0, "no_trade", None, None, None, "0", money_text(record.start.cash), at, None, None)
    for action in record.actions:
        event = action if isinstance(action, AppliedAction) else None
        yield (
            *cell,
            action.action_id,
            action.type,
            action.symbol,
            action.amount,
            None if action.price is None else money_text(action.price),
            money_text(action.costs) if isinstance(action, Action) else "0",
            money_text(action.cash),
            at,
            str(event.value) if event and event.type == "split" else None,
            event.new_symbol if event else None,
        )


def _holding_rows(record: SessionRecord) -> Iterator[tuple[Any, ...]]:
    shares = dict(record.start.shares)
    yield from ((record.date, record.model, 0, symbol, quantity) for symbol, quantity in shares.items())
    for action in record.actions:
        shares = _after(shares, action)
        for symbol, quantity in shares.items():
            yield record.date, record.model, action.action_id, symbol, quantity
    cash = record.actions[-1].cash if record.actions else record.start.cash
    if Book(cash=cash, shares=shares) != record.end:
        raise StoreError(
            f"the record of {record.model} on {record.date} does not balance: its actions do not lead from its "
            "start to its end; run the model-day again"
        )


def _after(shares: dict[str, int], action: Action | AppliedAction) -> dict[str, int]:
    held, amount = shares.get(action.symbol, 0), action.amount
    left = {
        "buy": held + amount,
        "split": amount,
        "dividend": held,
    }.get(action.type, held - amount)
    after = shares | {action.symbol: left}
    if isinstance(action, AppliedAction) and action.new_symbol:
        after[action.new_symbol] = shares.get(action.new_symbol, 0) + amount
    return {symbol: quantity for symbol, quantity in after.items() if quantity}


def _refuse_unpriced(con: duckdb.DuckDBPyConnection) -> None:
    missing = con.execute(statement(_PACKAGE, "unpriced_holdings")).fetchall()
    if missing:
        listing = "; ".join(f"{model} holds {symbol} on {date}" for model, date, symbol in missing)
        raise PriceError(f"no price at all for something that is held: {listing}. Load its bars, then score again")
