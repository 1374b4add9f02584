"""The rows of a `position.jsonl` book as it states them: parsed line by line, not yet checked by a ledger."""

import codecs
import datetime as dt
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, NoReturn, TypeVar, cast

_T = TypeVar("_T")
_ACTIONS = ("buy", "sell", "no_trade")
_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
# More than any portfolio holds, and far from where decimals overflow.
_LIMIT = 10**12


@dataclass(frozen=True)
class Breach:
    """A rule that a book breaks.

    Attributes:
        line: the physical line, counted from 1.
        date: the row's date as the book states it; empty where it states none.
        kind: what is broken: ``malformed``, ``opening``, ``empty``, ``id``, ``duplicate_id``, ``date``, ``gap``,
            ``unknown_symbol``, ``no_price``, ``amount``, ``refused``, ``price``, ``cash`` or ``shares``.
        message: what the book claims, and what it should be.
    """

    line: int
    date: str
    kind: str
    message: str

    def __str__(self) -> str:
        """For people: ``line 12 (2025-10-06): ...``."""
        return (
            f"line {self.line} ({self.date}): {self.message}" if self.date else f"line {self.line}: {self.message}"
        )


@dataclass(frozen=True)
class StatedBook:
    """Cash and shares as a row claims them: any numbers, even such as no portfolio has; zeros are left out."""

    cash: Decimal
    shares: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True)
class StatedAction:
    """What a row claims was done. A ``no_trade`` has neither symbol nor amount."""

    action: Literal["buy", "sell", "no_trade"]
    symbol: str = ""
    amount: Decimal = Decimal(0)
    price: Decimal | None = None


@dataclass(frozen=True)
class Row:
    """One line of a book; what could not be read is None and has a breach.

    Attributes:
        line: the physical line, counted from 1.
        date: the date as stated, shortened.
        day: the date, None where it is no day of the calendar.
        number: the row's ``id``.
        book: the book after the action.
        action: what was done.
        is_opening: the row has no ``this_action``: an opening balance.
        breaches: why it could not be read, or not in full.
    """

    line: int
    date: str = ""
    day: dt.date | None = None
    number: int | None = None
    book: StatedBook | None = None
    action: StatedAction | None = None
    is_opening: bool = False
    breaches: tuple[Breach, ...] = ()


class _FieldError(Exception):
    """Why a part of a row cannot be read."""


def read_rows(data: bytes) -> list[Row]:
    """Read every line that is not blank; a bad one becomes a row with breaches.

    Args:
        data: the bytes of the file, UTF-8.
    """
    lines = data.removeprefix(codecs.BOM_UTF8).split(b"\n")
    return [_row(number, line) for number, line in enumerate(lines, start=1) if line.strip()]


def _row(line: int, text: bytes) -> Row:
    try:
        document = _document(text)
    except _FieldError as error:
        return Row(line, breaches=(Breach(line, "", "malformed", str(error)),))
    problems: list[str] = []
    date = _part(_date, document.get("date"), problems) or ""
    day = _day(date)
    row = Row(
        line,
        date,
        day,
        _part(_id, document.get("id"), problems),
        _part(_book, document.get("positions"), problems),
        _part(_action, document.get("this_action"), problems),
        document.get("this_action") is None,
    )
    breaches = [Breach(line, date, "malformed", problem) for problem in problems]
    if date and day is None:
        breaches.append(Breach(line, date, "date", f"{date!r} is no day of the calendar, written YYYY-MM-DD"))
    return Row(**{**vars(row), "breaches": tuple(breaches)})


def _document(text: bytes) -> dict[str, object]:
    try:
        document = json.loads(
            text.decode(), parse_float=_decimal, parse_constant=_no_number, object_pairs_hook=_object
        )
    except json.JSONDecodeError as error:
        raise _FieldError(f"no JSON: {error.msg} (column {error.colno})") from error
    except UnicodeDecodeError as error:
        raise _FieldError(f"no UTF-8 text (byte {error.start + 1} of the line)") from error
    except RecursionError as error:
        raise _FieldError("no JSON: nested too deeply") from error
    except ValueError as error:
        raise _FieldError(f"no JSON: {error}") from error
    if not isinstance(document, dict):
        raise _FieldError("the line is no JSON object with date, id, this_action and positions")
    return document


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except ArithmeticError:
        raise ValueError("a number is too large") from None


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    document = dict(pairs)
    if len(document) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"{repeated[:40]!r} stands twice in one object")
    return document


def _part(parse: Callable[[object], _T], value: object, problems: list[str]) -> _T | None:
    try:
        return parse(value)
    except _FieldError as error:
        problems.append(str(error))
        return None


def _date(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _FieldError(f"date must be text such as 2025-10-02, not {_shown(value)}")
    return value[:40]


def _day(text: str) -> dt.date | None:
    if not _ISO_DATE.fullmatch(text):
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None


def _id(value: object) -> int:
    number = _number("id", value)
    if number != int(number) or number < 0:
        raise _FieldError(f"id must be a whole number from 0 on, not {_shown(value)}")
    return int(number)


def _number(name: str, value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise _FieldError(f"{name} must be a number, not {_shown(value)}")
    number = Decimal(value)
    if abs(number) >= _LIMIT:
        raise _FieldError(f"{name} is too large a number")
    return number


def _book(value: object) -> StatedBook:
    if not isinstance(value, dict):
        raise _FieldError(f"positions must be an object of shares by symbol and CASH, not {_shown(value)}")
    amounts = {_ticker(name): _number(f"positions.{name[:40]}", amount) for name, amount in value.items()}
    if len(amounts) < len(value):
        raise _FieldError("positions has one symbol in two spellings")
    if "CASH" not in amounts:
        raise _FieldError("positions has no CASH")
    cash = amounts.pop("CASH")
    return StatedBook(cash, {symbol: shares for symbol, shares in amounts.items() if shares})


def _action(value: object) -> StatedAction | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise _FieldError(f"this_action must be an object, not {_shown(value)}")
    action = value.get("action")
    if action not in _ACTIONS:
        raise _FieldError(f"this_action.action must be one of {', '.join(_ACTIONS)}, not {_shown(action)}")
    if action == "no_trade":
        return StatedAction("no_trade")
    symbol = value.get("symbol")
    if not isinstance(symbol, str) or not symbol.strip():
        raise _FieldError(f"this_action.symbol must be a symbol such as AAPL, not {_shown(symbol)}")
    price = value.get("price")
    return StatedAction(
        cast('Literal["buy", "sell"]', action),
        _ticker(symbol),
        _number("this_action.amount", value.get("amount")),
        None if price is None else _number("this_action.price", price),
    )


def _ticker(name: str) -> str:
    return name.strip().upper()


def _shown(value: object) -> str:
    """A value as the book has it, short enough for a message; containers by their kind alone."""
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return str(value)[:40] if isinstance(value, Decimal) else repr(value)[:40]
