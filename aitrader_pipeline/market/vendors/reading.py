"""Reading a raw answer: into the intakes, with its file as the place of what is refused."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any

from aitrader_pipeline.market.actions import ActionIntake, ActionKind
from aitrader_pipeline.market.bars import BadBarError, RawBar, as_text, parse_date
from aitrader_pipeline.market.calendar import TradingCalendar
from aitrader_pipeline.market.intake import BarIntake
from aitrader_pipeline.market.vendors.contract import RawAnswer


class Pairs(list[tuple[str, Any]]):
    """A JSON object with its keys in order, a repeated one too: a plain dict keeps the last alone."""

    def get(self, key: str) -> Any:  # noqa: ANN401 - any JSON value
        """The first value of a key, None without one."""
        return next((value for name, value in self if name == key), None)


class AnswerReader:
    """Takes what one answer holds into the intakes."""

    def __init__(self, answer: RawAnswer, calendar_name: str, bars: BarIntake, actions: ActionIntake) -> None:
        """Begin with an answer; it is refused where it is no JSON."""
        self.answer = answer
        self._bars = bars
        self._actions = actions
        self._seen = 0
        self._unfinished = unfinished_session(calendar_name, answer.fetched_at)

    def json(self, *, with_repeated_keys: bool = False) -> Any:  # noqa: ANN401 - any JSON value
        """What the answer holds, its numbers as they are written; None, and refused, where it is no JSON."""
        try:
            if with_repeated_keys:
                return json.loads(self.answer.body, object_pairs_hook=Pairs, parse_float=str)
            return json.loads(self.answer.body, parse_float=str)
        except (ValueError, RecursionError):
            self.refuse("the answer is no JSON")
            return None

    def bar(self, raw: RawBar, *, symbol: object, date: object) -> None:
        """Take one bar in; of a session that was not over when the answer came, the open alone."""
        self._seen += 1
        if self._reaches(date, self._unfinished + dt.timedelta(days=1)):
            self.refuse("the session had not begun when the answer came", symbol=symbol, date=date)
            return
        kept = RawBar(raw.open) if self._reaches(date, self._unfinished) else raw
        self._bars.add(kept, symbol=symbol, date=date, file=self.answer.file, line=None)

    def action(self, kind: ActionKind, value: object, *, symbol: object, ex_date: object) -> None:
        """Take one split or dividend in."""
        self._actions.add(symbol=symbol, ex_date=ex_date, kind=kind, value=value, file=self.answer.file, line=None)

    def refuse(self, reason: str, *, symbol: object = None, date: object = None) -> None:
        """Note that something in the answer is no bar."""
        self._bars.refuse(reason, symbol=symbol, date=date, file=self.answer.file, line=None)

    def refuse_action(self, reason: str, *, symbol: object = None, ex_date: object = None) -> None:
        """Note that something in the answer is no action."""
        self._actions.refuse(reason, symbol=symbol, ex_date=ex_date, file=self.answer.file, line=None)

    def end(self, symbol: str | None = None) -> None:
        """Say so where the whole answer had no bar."""
        if not self._seen:
            wanted = f"no bar from {self.answer.first} to {self.answer.last}: the vendor has no data"
            self.refuse(wanted, symbol=symbol)

    def _reaches(self, date: object, day: dt.date) -> bool:
        try:
            return parse_date(date) >= day
        except BadBarError:
            return False


def unfinished_session(calendar_name: str, moment: dt.datetime) -> dt.date:
    """The first session that is not over at a moment: under way, or the next one."""
    calendar = _calendar_around(calendar_name, moment.date())
    session = calendar.previous_session(moment.date() - dt.timedelta(days=1))
    while calendar.close_at(session) <= moment:
        session = calendar.next_session(session)
    return session


def newest_sessions(calendar_name: str, moment: dt.datetime, count: int) -> Sequence[dt.date]:
    """The newest sessions that are over at a moment, the oldest of them first."""
    calendar = _calendar_around(calendar_name, moment.date())
    over = unfinished_session(calendar_name, moment) - dt.timedelta(days=1)
    return calendar.sessions(over - dt.timedelta(days=2 * count + 31), over)[-count:]


def close_of(calendar_name: str, session: dt.date) -> dt.datetime:
    """The moment (UTC) at which a session closes."""
    return _calendar_around(calendar_name, session).close_at(session)


def whole_shares(volume: object) -> object:
    """A volume without the fractions of shares that some vendors count; anything else as it is."""
    text = as_text(volume)
    whole, dot, fraction = text.partition(".")
    return whole if dot and whole.isdigit() and fraction.isdigit() else volume


def objects_in(value: object, name: str) -> list[Mapping[str, Any]]:
    """The objects of a list in an object; what else is there is left out."""
    entries = value.get(name) if isinstance(value, dict) else None
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _calendar_around(name: str, day: dt.date) -> TradingCalendar:
    """The calendar of a day's year and the one before, which is built once for all days of the year."""
    return TradingCalendar(name, dt.date(day.year - 1, 1, 1), dt.date(day.year, 12, 31))
