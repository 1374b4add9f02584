"""The exchange's days, against its published holidays and early closes."""

from datetime import UTC, date, datetime

import pytest

from aitrader_pipeline.errors import ConfigError
from aitrader_pipeline.market.calendar import TradingCalendar, is_session


@pytest.fixture
def year_2025() -> TradingCalendar:
    return TradingCalendar("XNAS", date(2025, 1, 1), date(2025, 12, 31))


def test_the_weekday_holidays_of_2025_are_the_published_ones(year_2025: TradingCalendar) -> None:
    assert year_2025.weekday_holidays(date(2025, 1, 1), date(2025, 12, 31)) == [
        date(2025, 1, 1),
        date(2025, 1, 9),  # the day of mourning for President Carter
        date(2025, 1, 20),
        date(2025, 2, 17),
        date(2025, 4, 18),
        date(2025, 5, 26),
        date(2025, 6, 19),
        date(2025, 7, 4),
        date(2025, 9, 1),
        date(2025, 11, 27),
        date(2025, 12, 25),
    ]


def test_a_weekend_and_a_holiday_are_no_sessions(year_2025: TradingCalendar) -> None:
    days = [date(2025, 7, 3), date(2025, 7, 4), date(2025, 7, 5), date(2025, 7, 7)]
    assert [year_2025.is_session(day) for day in days] == [True, False, False, True]
    assert year_2025.sessions(days[0], days[-1]) == [days[0], days[-1]]


def test_yesterday_is_the_previous_session_across_a_weekend_and_a_holiday(year_2025: TradingCalendar) -> None:
    assert year_2025.previous_session(date(2025, 7, 7)) == date(2025, 7, 3)
    assert year_2025.previous_session(date(2025, 7, 4)) == date(2025, 7, 3)
    assert year_2025.next_session(date(2025, 7, 3)) == date(2025, 7, 7)
    assert year_2025.next_session(date(2025, 7, 5)) == date(2025, 7, 7)


def test_the_neighbours_of_the_range_s_ends_are_known() -> None:
    one_day = TradingCalendar("XNAS", date(2025, 1, 2), date(2025, 1, 2))
    assert one_day.previous_session(date(2025, 1, 2)) == date(2024, 12, 31)
    assert one_day.next_session(date(2025, 1, 2)) == date(2025, 1, 3)


def test_a_half_day_closes_at_one_in_new_york(year_2025: TradingCalendar) -> None:
    assert year_2025.open_at(date(2025, 11, 28)) == datetime(2025, 11, 28, 14, 30, tzinfo=UTC)
    assert year_2025.close_at(date(2025, 11, 28)) == datetime(2025, 11, 28, 18, 0, tzinfo=UTC)


def test_the_open_follows_daylight_saving(year_2025: TradingCalendar) -> None:
    assert year_2025.open_at(date(2025, 7, 3)) == datetime(2025, 7, 3, 13, 30, tzinfo=UTC)
    assert year_2025.close_at(date(2025, 7, 2)) == datetime(2025, 7, 2, 20, 0, tzinfo=UTC)


def test_a_day_without_session_has_no_open(year_2025: TradingCalendar) -> None:
    with pytest.raises(ConfigError, match="2025-07-04 is no session of XNAS"):
        year_2025.open_at(date(2025, 7, 4))


def test_a_day_outside_the_asked_range_is_an_error_and_not_a_guess(year_2025: TradingCalendar) -> None:
    with pytest.raises(ConfigError, match="2027-01-04 is outside"):
        year_2025.is_session(date(2027, 1, 4))
    with pytest.raises(ConfigError, match="the session before 2024-12-01"):
        year_2025.previous_session(date(2024, 12, 1))
    with pytest.raises(ConfigError, match="the session after 2026-01-31"):
        year_2025.next_session(date(2026, 1, 31))


def test_an_unknown_calendar_is_named() -> None:
    with pytest.raises(ConfigError, match="'NASDAQ-100' is unknown"):
        TradingCalendar("NASDAQ-100", date(2025, 1, 1), date(2025, 2, 1))


def test_a_range_backwards_and_one_without_a_schedule_are_errors() -> None:
    with pytest.raises(ConfigError, match="is after the last day"):
        TradingCalendar("XNAS", date(2025, 2, 1), date(2025, 1, 1))
    with pytest.raises(ConfigError, match="no schedule for 9999"):
        TradingCalendar("XNAS", date(9999, 1, 1), date.max)


def test_a_calendar_whose_holidays_are_published_only_so_far_works_up_to_there() -> None:
    # Shanghai publishes a year at a time, so a decade cannot be built.
    shanghai = TradingCalendar("XSHG", date(1991, 1, 1), date(1991, 12, 31))
    assert shanghai.next_session(date(1991, 1, 1)) == date(1991, 1, 2)
    assert is_session("XSHG", date(2024, 1, 2))
    assert not is_session("XSHG", date(1890, 1, 2))


def test_a_day_beyond_every_schedule_is_no_session() -> None:
    assert is_session("XNAS", date(2012, 11, 1))
    assert not is_session("XNAS", date(2012, 10, 30))  # the exchange was closed for a hurricane
    assert not is_session("XNAS", date(1, 1, 1))
    assert not is_session("XNAS", date(9999, 12, 31))
