"""The exchange's calendar: which days are sessions, which is the previous one, when it opens and closes."""

import datetime as dt
import warnings
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from zoneinfo import ZoneInfo

import exchange_calendars
import pandas as pd
from exchange_calendars.errors import InvalidCalendarName, NoSessionsError
from pandas.errors import Pandas4Warning

from aitrader_pipeline.errors import ConfigError

DEFAULT_CALENDAR = "XNAS"
# Room around the asked range, so that the session before its first day and after its last is known:
# the library's bounds are strict.
_SLACK = dt.timedelta(days=31)
_SATURDAY = 5


@dataclass(frozen=True)
class _Schedule:
    exchange: exchange_calendars.ExchangeCalendar
    start: dt.date
    end: dt.date
    sessions: tuple[dt.date, ...]
    # When a session opens and closes (UTC); also of sessions before `start` and after `end`.
    hours: Mapping[dt.date, tuple[dt.datetime, dt.datetime]]

    @property
    def zone(self) -> ZoneInfo:
        """The exchange's time zone."""
        return ZoneInfo(str(self.exchange.tz))


class TradingCalendar:
    """An exchange's sessions from `first` to `last`, with a month's room on either side.

    Building one again with the same arguments is cheap: the schedule behind it is kept.

    Args:
        name: The exchange's code in `exchange_calendars`, for example `XNAS`.
        first: The first day that will be asked about.
        last: The last day that will be asked about.

    Raises:
        ConfigError: No such calendar, or it has no schedule for these days.
    """

    def __init__(self, name: str, first: dt.date, last: dt.date) -> None:
        if first > last:
            raise ConfigError(f"calendar {name}: the first day {first} is after the last day {last}")
        self.name = name
        self.first = first
        self.last = last
        self._schedule = _schedule_with_slack(name, first, last)

    @property
    def time_zone(self) -> str:
        """The exchange's time zone, for example `America/New_York`."""
        return self._schedule.zone.key

    @property
    def regular_close(self) -> dt.time:
        """When a session that is no half-day closes, in the exchange's own time."""
        close: dt.time = self._schedule.exchange.close_times[-1][1]
        return close

    def is_session(self, day: dt.date) -> bool:
        """Whether the exchange trades on that day."""
        self._check_known(day)
        sessions = self._schedule.sessions
        at = bisect_left(sessions, day)
        return at < len(sessions) and sessions[at] == day

    def sessions(self, start: dt.date, end: dt.date) -> list[dt.date]:
        """Return the sessions from `start` to `end`, both included."""
        self._check_known(start)
        self._check_known(end)
        sessions = self._schedule.sessions
        return list(sessions[bisect_left(sessions, start) : bisect_right(sessions, end)])

    def previous_session(self, day: dt.date) -> dt.date:
        """Return the last session strictly before a day, which need not be a session itself."""
        self._check_known(day)
        at = bisect_left(self._schedule.sessions, day)
        if at == 0:
            raise self._unknown(f"the session before {day}")
        return self._schedule.sessions[at - 1]

    def next_session(self, day: dt.date) -> dt.date:
        """Return the first session strictly after a day, which need not be a session itself."""
        self._check_known(day)
        at = bisect_right(self._schedule.sessions, day)
        if at == len(self._schedule.sessions):
            raise self._unknown(f"the session after {day}")
        return self._schedule.sessions[at]

    def weekday_holidays(self, start: dt.date, end: dt.date) -> list[dt.date]:
        """Return the days from Monday to Friday between `start` and `end`, both included, without a session."""
        sessions = set(self.sessions(start, end))
        days = (start + dt.timedelta(days=offset) for offset in range((end - start).days + 1))
        return [day for day in days if day.weekday() < _SATURDAY and day not in sessions]

    def open_at(self, session: dt.date) -> dt.datetime:
        """Return the moment (UTC) at which a session opens."""
        self._check_session(session)
        return self._schedule.hours[session][0]

    def close_at(self, session: dt.date) -> dt.datetime:
        """Return the moment (UTC) at which a session closes; earlier on a half-day."""
        self._check_session(session)
        return self._schedule.hours[session][1]

    def why_no_session(self, day: dt.date) -> str:
        """What to tell of a day that is no session: the nearest ones."""
        nearest = f"{self.previous_session(day)} and {self.next_session(day)}"
        return f"no session of the exchange; the nearest are {nearest}"

    def _check_session(self, day: dt.date) -> None:
        if not self.is_session(day):
            raise ConfigError(f"{day} is no session of {self.name}")

    def _check_known(self, day: dt.date) -> None:
        if not self._schedule.start <= day <= self._schedule.end:
            raise self._unknown(str(day))

    def _unknown(self, what: str) -> ConfigError:
        return ConfigError(
            f"calendar {self.name} was asked for {self.first} to {self.last}: {what} is outside of it"
        )


def is_session(name: str, day: dt.date) -> bool:
    """Whether the exchange trades on any one day; a day for which it has no schedule is no session.

    Raises:
        ConfigError: No such calendar.
    """
    return day in _sessions_of_year(name, day.year)


def trading_moment(name: str, moment: dt.datetime) -> dt.datetime | None:
    """Return a moment in UTC if the exchange trades then, from a session's open to before its close; else None.

    Args:
        name: The exchange's code.
        moment: Any moment; without a zone it is in the exchange's own time.

    Raises:
        ConfigError: No such calendar.
    """
    schedule = _schedule_of_year(name, moment.year)
    if schedule is None:
        return None
    local = moment.replace(tzinfo=schedule.zone) if moment.tzinfo is None else moment.astimezone(schedule.zone)
    hours = schedule.hours.get(local.date())
    return local.astimezone(dt.UTC) if hours is not None and hours[0] <= local < hours[1] else None


@lru_cache(maxsize=256)
def _sessions_of_year(name: str, year: int) -> frozenset[dt.date]:
    schedule = _schedule_of_year(name, year)
    return frozenset(day for day in schedule.sessions if day.year == year) if schedule else frozenset()


@lru_cache(maxsize=256)
def _schedule_of_year(name: str, year: int) -> _Schedule | None:
    # Building a decade costs as much as building a year, so the decade is tried first; it fails where the
    # exchange has published its holidays only so far.
    try:
        return _whole_decades(name, year, year)
    except ValueError:
        pass
    try:
        return _schedule(name, dt.date(year, 1, 1), dt.date(year, 12, 31))
    except ValueError:
        return None


def _schedule_with_slack(name: str, first: dt.date, last: dt.date) -> _Schedule:
    try:
        start, end = first - _SLACK, last + _SLACK
        found = _whole_decades(name, start.year, end.year)
        known = found.sessions[bisect_left(found.sessions, start) : bisect_right(found.sessions, end)]
        return replace(found, start=start, end=end, sessions=known)
    except (ValueError, OverflowError):
        pass
    try:
        return _schedule(name, first - _SLACK, last + _SLACK)
    except (ValueError, OverflowError):
        pass
    try:
        return _schedule(name, first, last)
    except ValueError as error:
        raise ConfigError(f"calendar {name} has no schedule for {first} to {last}: {error}") from error


def _whole_decades(name: str, first: int, last: int) -> _Schedule:
    """The schedule of whole decades: each is built once for all who ask about its years, as cheaply as a year."""
    begins = range(first - first % 10, last + 1, 10)
    decades = [_schedule(name, dt.date(begin, 1, 1), dt.date(begin + 9, 12, 31)) for begin in begins]
    return _Schedule(
        decades[-1].exchange,
        decades[0].start,
        decades[-1].end,
        tuple(chain.from_iterable(decade.sessions for decade in decades)),
        {session: hours for decade in decades for session, hours in decade.hours.items()},
    )


@lru_cache(maxsize=64)
def _schedule(name: str, start: dt.date, end: dt.date) -> _Schedule:
    """Build an exchange's schedule; ValueError where the exchange has none for these days."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Pandas4Warning)
            exchange = exchange_calendars.get_calendar(name, start=start.isoformat(), end=end.isoformat())
    except InvalidCalendarName as error:
        raise ConfigError(f"calendar {name!r} is unknown: use an exchange's code such as XNAS") from error
    except NoSessionsError as error:
        raise ValueError(str(error)) from error
    sessions = tuple(session.date() for session in exchange.sessions)
    opens, closes = (pd.DatetimeIndex(moments).to_pydatetime() for moments in (exchange.opens, exchange.closes))
    return _Schedule(
        exchange, start, end, sessions, dict(zip(sessions, zip(opens, closes, strict=True), strict=True))
    )
