"""A recorded book over the golden four days, and the ways in which one can go wrong."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aitrader_pipeline.trading.arena import Arena
from aitrader_pipeline.trading.book_import import BookImport, read_book
from aitrader_pipeline_tests.markets import OCT_02, OCT_03, OCT_06, OCT_07

M = "model-a"
Row = dict[str, Any]
Change = Callable[[list[Row]], None]
Reading = Callable[..., BookImport]


def row(number: int, date: str, action: str | None, cash: float, **shares: float) -> Row:
    """One line of a book; an action is written as in "buy AAPL 20"."""
    stated: Row = {"date": date, "id": number}
    if action is not None:
        side, _, order = action.partition(" ")
        symbol, _, amount = order.partition(" ")
        stated["this_action"] = {"action": side, "symbol": symbol, "amount": int(amount or 0)}
    # As the benchmark writes it: every symbol stands there, most of them with zero shares.
    return {**stated, "positions": {"AAPL": 0, "MSFT": 0, "NVDA": 0, **shares, "CASH": cash}}


# Id n stands on line n + 1. Some of the cash has the noise of floats, as in the benchmark's own books.
GOLDEN_BOOK = [
    row(0, "2025-10-01", None, 10000.0),
    row(1, OCT_02, "buy AAPL 20", 8000.0, AAPL=20),
    row(2, OCT_02, "buy MSFT 10", 6000.0, AAPL=20, MSFT=10),
    row(3, OCT_02, "buy NVDA 100", 1000.0000000000002, AAPL=20, MSFT=10, NVDA=100),
    row(4, OCT_03, "no_trade", 1000.0000000000002, AAPL=20, MSFT=10, NVDA=100),
    row(5, OCT_06, "sell AAPL 15", 2650.0, AAPL=5, MSFT=10, NVDA=100),
    row(6, OCT_06, "buy MSFT 13", 180.00000000000023, AAPL=5, MSFT=23, NVDA=100),
    row(7, OCT_06, "sell NVDA 100", 5005.0, AAPL=5, MSFT=23),
    row(8, OCT_07, "buy NVDA 10", 4405.0, AAPL=5, MSFT=23, NVDA=10),
]


def golden_book() -> list[Row]:
    """The book of the golden four days, to be changed."""
    return copy.deepcopy(GOLDEN_BOOK)


def write_book(folder: Path, rows: list[Row] | str, model: str = M) -> Path:
    """Write a book where the layout has it, under the folder `books`."""
    path = folder / "books" / model / "position" / "position.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = rows if isinstance(rows, str) else "".join(json.dumps(row) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")
    return path


def reader(folder: Path, arena: Arena) -> Reading:
    """Writes rows, or the text of a file, as a model's book and reads it in an arena."""

    def read(rows: list[Row] | str, launch: str = "import-1") -> BookImport:
        return read_book(M, write_book(folder, rows), arena, launch)

    return read


def kinds(book: BookImport) -> list[tuple[int, str]]:
    """Line and kind of each breach."""
    return [(breach.line, breach.kind) for breach in book.breaches]


def at(position: int, **fields: Any) -> Change:
    return lambda rows: rows[position].update(fields)


def action(position: int, **fields: Any) -> Change:
    return lambda rows: rows[position]["this_action"].update(fields)


def stating(position: int, **positions: Any) -> Change:
    return lambda rows: rows[position]["positions"].update(positions)


def skipping_an_id_at(position: int) -> Change:
    def change(rows: list[Row]) -> None:
        for stated in rows[position:]:
            stated["id"] += 1

    return change


def more_cash_from(position: int, amount: float) -> Change:
    def change(rows: list[Row]) -> None:
        for stated in rows[position:]:
            stated["positions"]["CASH"] += amount

    return change


def shares_from(position: int, **shares: float) -> Change:
    def change(rows: list[Row]) -> None:
        for stated in rows[position:]:
            stated["positions"].update(shares)

    return change


def without(position: int, *path: str) -> Change:
    def change(rows: list[Row]) -> None:
        place = rows[position]
        for key in path[:-1]:
            place = place[key]
        del place[path[-1]]

    return change


def dropping(*positions: int) -> Change:
    def change(rows: list[Row]) -> None:
        rows[:] = [stated for position, stated in enumerate(rows) if position not in positions]
        for number, stated in enumerate(rows):
            stated["id"] = number

    return change


def both(*changes: Change) -> Change:
    def change(rows: list[Row]) -> None:
        for one in changes:
            one(rows)

    return change
