"""Which bars an arena needs: every member of its universe, and the benchmark, on every session that is over."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from aitrader_pipeline.config import ArenaConfig
from aitrader_pipeline.config_universe import Membership
from aitrader_pipeline.market.calendar import TradingCalendar

# Calendar days that are sure to hold a session, and some more for long holidays.
_DAYS_A_SESSION = 2
_SLACK_DAYS = 14


@dataclass(frozen=True)
class Wanted:
    """The bars that an arena needs.

    Attributes:
        sessions: The sessions that are over, in order.
        closes: When each of them closed (UTC).
        members: Whose bars are wanted, and when; a symbol may be a member more than once.
    """

    sessions: tuple[dt.date, ...]
    closes: tuple[dt.datetime, ...]
    members: tuple[Membership, ...]

    @property
    def symbols(self) -> tuple[str, ...]:
        """Every symbol once, sorted."""
        return tuple(sorted({member.symbol for member in self.members}))

    def by_symbol(self) -> Mapping[str, Sequence[dt.date]]:
        """The wanted sessions of every symbol."""
        spans: dict[str, list[Membership]] = {symbol: [] for symbol in self.symbols}
        for member in self.members:
            spans[member.symbol].append(member)
        return {
            symbol: [date for date in self.sessions if any(member.covers(date) for member in members)]
            for symbol, members in spans.items()
        }


def wanted_bars(config: ArenaConfig, now: dt.datetime, stored: Iterable[str] = ()) -> Wanted:
    """What an arena needs by a moment.

    A vendor is asked for some sessions before the arena's first as well, which traders look back on; how far a
    source of files reaches back is not for us to say.

    Args:
        config: The arena.
        now: The moment, by which a session is over or not; with a time zone.
        stored: The symbols that have bars: the universe where the config lists none.
    """
    market, dates = config.market, config.date_range
    first = first_wanted_session(config)
    last = max(min(dates.end_date or now.date(), now.date()), first)
    calendar = TradingCalendar(market.calendar, first, last)
    sessions = tuple(date for date in calendar.sessions(first, last) if calendar.close_at(date) <= now)
    closes = tuple(map(calendar.close_at, sessions))
    return Wanted(sessions, closes, tuple(members_of(config, stored)))


def first_wanted_session(config: ArenaConfig) -> dt.date:
    """The first session whose bars are wanted; of a source of files the arena's first date."""
    market, begin = config.market, config.date_range.init_date
    if not (market.is_vendor and market.history_sessions):
        return begin
    earliest = begin - dt.timedelta(days=_DAYS_A_SESSION * market.history_sessions + _SLACK_DAYS)
    before = TradingCalendar(market.calendar, earliest, begin).sessions(earliest, begin - dt.timedelta(days=1))
    return before[-market.history_sessions]


def listed_symbols(config: ArenaConfig) -> tuple[str, ...]:
    """The symbols that the config lists, whenever they are members, and the benchmark; each once."""
    return tuple(dict.fromkeys(member.symbol for member in members_of(config, ())))


def members_of(config: ArenaConfig, stored: Iterable[str]) -> Iterator[Membership]:
    """The universe and the benchmark, each for as long as it is a member."""
    listed, benchmark = config.agent_config.stock_symbols, config.market.benchmark
    for entry in stored if listed is None else listed:
        yield Membership(entry) if isinstance(entry, str) else entry
    if benchmark is not None:
        yield Membership(benchmark)
