"""A recorded book, row by row: each row against the one before it, each order through the ledger."""

import datetime as dt
import math
from bisect import bisect_right
from dataclasses import dataclass, field
from decimal import Decimal

from aitrader_pipeline.errors import SessionError
from aitrader_pipeline.market.calendar import is_session
from aitrader_pipeline.market.view import MarketView
from aitrader_pipeline.money import money, money_text
from aitrader_pipeline.trading.arena import Arena
from aitrader_pipeline.trading.book_rows import Breach, Row, StatedAction, StatedBook
from aitrader_pipeline.trading.ledger import Ledger, Portfolio, Refusal, RefusalCode

_TOLERANCE = Decimal("0.000001")
_DAY = dt.timedelta(days=1)
_KINDS = {
    RefusalCode.UNKNOWN_SYMBOL: "unknown_symbol",
    RefusalCode.NO_PRICE: "no_price",
    RefusalCode.INVALID_AMOUNT: "amount",
}


@dataclass
class Day:
    """A session of the book: the ledger that its orders go through, and the lines that they stand on."""

    date: dt.date
    view: MarketView
    ledger: Ledger
    lines: list[int] = field(default_factory=list)


class Replay:
    """Walks a book: each row against the row before it as stated, each order through the ledger."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self._last_session = arena.history.last_session
        self._initial_cash = money(arena.config.agent_config.initial_cash)
        self._portfolio = Portfolio(self._initial_cash)
        self._stated = StatedBook(self._initial_cash)
        self._opening: Row | None = None
        self._dates: set[dt.date] = set()
        self._numbers: set[int] = set()
        self._last_number: int | None = None
        self._anchors: list[dt.date | None] = []
        self.days: list[Day] = []
        self.breaches: list[Breach] = []

    def run(self, rows: list[Row]) -> None:
        """Take all rows of a book."""
        for position, row in enumerate(rows):
            for breach in row.breaches:
                self._note(row, breach.kind, breach.message)
            self._check_number(row)
            if position == 0 and row.is_opening:
                self._open(row)
                continue
            if position == 0 and row.action is not None:
                self._note(row, "opening", "the book begins with an action; its first row is the opening balance")
            self._take(row)
        if not self.days:
            line = rows[-1] if rows else Row(1)
            self._note(line, "empty", "the book ends without a session" if rows else "the book has no rows")

    def flagged(self) -> list[tuple[str, ...]]:
        """Per day the breaches of its rows, and of rows without a day of their own that come next after it."""
        dates = [day.date for day in self.days]
        flags: list[list[Breach]] = [[] for _ in dates]
        for breach, anchor in zip(self.breaches, self._anchors, strict=True):
            if dates:
                flags[max(bisect_right(dates, anchor) - 1, 0) if anchor else 0].append(breach)
        return [tuple(str(b) for b in sorted(day, key=lambda breach: breach.line)) for day in flags]

    def _note(self, row: Row, kind: str, message: str) -> None:
        self.breaches.append(Breach(row.line, row.date, kind, message))
        self._anchors.append(row.day or (self.days[-1].date if self.days else None))

    def _check_number(self, row: Row) -> None:
        number, last = row.number, self._last_number
        self._last_number = number
        if number is None:
            return
        if number in self._numbers:
            self._note(row, "duplicate_id", f"id {number} stands on an earlier row already")
        elif last is not None and number != last + 1:
            self._note(row, "id", f"id {number} follows {last}; ids ascend by one, so it should be {last + 1}")
        self._numbers.add(number)

    def _open(self, row: Row) -> None:
        self._opening = row
        if row.book is None:
            return
        stated, initial = row.book.cash, self._initial_cash
        if _differ(stated, initial):
            self._note(
                row,
                "opening",
                f"opens with cash {_text(stated)}; the arena's agent_config.initial_cash is {_text(initial)}",
            )
        if row.book.shares:
            holdings = ", ".join(f"{_text(q)} {s}" for s, q in sorted(row.book.shares.items()))
            self._note(row, "opening", f"opens with {holdings}; an opening balance holds cash alone")
        self._stated = row.book

    def _take(self, row: Row) -> None:
        if row.is_opening:
            self._note(row, "malformed", "this_action is missing; only the first row, the opening, goes without")
        day = self._day_of(row)
        if row.day is not None:
            self._dates.add(row.day)
        if day is not None:
            day.lines.append(row.line)
        whole = not any(breach.kind == "malformed" for breach in row.breaches)
        if day is not None and whole and row.action is not None and row.book is not None:
            refused = self._execute(row, row.action, day)
            self._check_book(row, row.action, row.book, day.view.open(row.action.symbol), refused)
        self._stated = row.book or self._stated

    def _execute(self, row: Row, action: StatedAction, day: Day) -> bool:
        """Put an order through the ledger; True if it refuses."""
        if action.action == "no_trade":
            return False
        place = day.ledger.buy if action.action == "buy" else day.ledger.sell
        whole = action.amount == int(action.amount)
        outcome = place(action.symbol, int(action.amount) if whole else float(action.amount))
        self._portfolio = day.ledger.portfolio
        if isinstance(outcome, Refusal):
            order = f"{action.action} {_text(action.amount)} {action.symbol}"
            self._note(row, _KINDS.get(outcome.code, "refused"), f"{order}: {outcome.code}: {outcome.message}")
        opened = day.view.open(action.symbol)
        if action.price is not None and opened is not None and abs(action.price - opened) > _TOLERANCE:
            self._note(row, "price", f"states the price {_text(action.price)}; the open is {_text(opened)}")
        return isinstance(outcome, Refusal)

    def _check_book(
        self, row: Row, action: StatedAction, stated: StatedBook, opened: Decimal | None, refused: bool
    ) -> None:
        """Compare a row's book with the one before it and the row's own action."""
        before = self._stated
        if refused and stated.shares == before.shares and not _differ(stated.cash, before.cash):
            return
        bought = {"buy": action.amount, "sell": -action.amount, "no_trade": Decimal(0)}[action.action]
        if not bought or opened is not None:
            self._check_cash(row, stated.cash, bought * (opened or 0))
        expected = {**before.shares, action.symbol: before.shares.get(action.symbol, Decimal(0)) + bought}
        self._check_shares(row, stated, expected)

    def _check_cash(self, row: Row, stated: Decimal, spent: Decimal) -> None:
        before = self._stated.cash
        expected = before - spent
        if _differ(stated, expected, before, spent):
            by_fill = f" {'-' if spent > 0 else '+'} {_text(abs(spent))}" if spent else ""
            self._note(
                row,
                "cash",
                f"states cash {_text(stated)}; by the ledger {_text(before)}{by_fill} = {_text(expected)}",
            )
        elif stated < -_TOLERANCE and stated != before:
            self._note(row, "cash", f"states cash {_text(stated)}; cash is never negative")

    def _check_shares(self, row: Row, stated: StatedBook, expected: dict[str, Decimal]) -> None:
        before, none = self._stated.shares, Decimal(0)
        wrong: list[str] = []
        for symbol in sorted(stated.shares.keys() | expected.keys()):
            claimed, ours = stated.shares.get(symbol, none), expected.get(symbol, none)
            if claimed != ours:
                wrong.append(f"states {_text(claimed)} {symbol}; by the ledger {_text(ours)}")
            elif (claimed < 0 or claimed != int(claimed)) and claimed != before.get(symbol, none):
                wrong.append(f"states {_text(claimed)} {symbol}; shares are whole and never negative")
        for message in wrong:
            self._note(row, "shares", message)

    def _day_of(self, row: Row) -> Day | None:
        """The session of a row, opened if it is a new one; None where it cannot be a session of this book."""
        if row.day is None or (self.days and self.days[-1].date == row.day):
            return self.days[-1] if row.day else None
        problem = self._date_problem(row.day)
        if problem is None:
            try:
                view = self._arena.view(row.day, tuple(self._portfolio.shares))
            except SessionError as error:
                problem = str(error)
        if problem is not None:
            self._note(row, "date", problem)
            return None
        self._check_gap(row, row.day)
        ledger = Ledger(self._portfolio, universe=frozenset(view.universe), price_of=view.open)
        self.days.append(Day(row.day, view, ledger))
        return self.days[-1]

    def _date_problem(self, day: dt.date) -> str | None:
        dates, exchange = self._arena.config.date_range, self._arena.config.market.calendar
        if not is_session(exchange, day):
            return f"{day} is no session of {exchange}"
        if day < dates.init_date:
            return f"{day} is before the arena's first session (date_range.init_date is {dates.init_date})"
        if dates.end_date is not None and day > dates.end_date:
            return f"{day} is after the arena's last session (date_range.end_date is {dates.end_date})"
        if day > self._last_session:
            return f"{day} is after the newest session with prices, {self._last_session}"
        if self.days and day < self.days[-1].date:
            return f"{day} goes back behind {self.days[-1].date}; a book's dates ascend"
        return None

    def _check_gap(self, row: Row, day: dt.date) -> None:
        opening = self._opening.day if self._opening else None
        if self._opening and opening and not self.days and opening >= day:
            self._note(
                self._opening,
                "opening",
                f"the opening balance is of {opening}, not before the first session {day}",
            )
        before = self.days[-1].date if self.days else opening
        if before is None:
            return
        start = max(before + _DAY, self._arena.config.date_range.init_date)
        between = self._arena.calendar.sessions(start, day - _DAY) if start < day else []
        missing = [session for session in between if session not in self._dates]
        if missing:
            span = f"{missing[0]}" if len(missing) == 1 else f"{missing[0]} to {missing[-1]}"
            count = "1 session is" if len(missing) == 1 else f"{len(missing)} sessions are"
            self._note(
                row, "gap", f"{count} missing after {before}: {span}; a day without a trade has a no_trade row"
            )


def _differ(stated: Decimal, expected: Decimal, *terms: Decimal) -> bool:
    """Whether two amounts differ by more than a millionth and than what floats lose on amounts of that size."""
    size = max(abs(float(amount)) for amount in (stated, expected, *terms))
    return abs(stated - expected) > max(_TOLERANCE, Decimal(4 * math.ulp(size)))


def _text(amount: Decimal) -> str:
    return money_text(Decimal(f"{amount:.6f}") + 0)
