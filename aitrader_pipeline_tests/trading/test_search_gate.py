"""What passes the date gate: only what was published before the decision time for certain."""

import datetime as dt

import pytest

from aitrader_pipeline.trading.search.gate import DateGate, Published, read_date

# The open of Monday 2025-10-06 in New York.
OPEN = dt.datetime(2025, 10, 6, 13, 30, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("date", "shown"),
    [
        ("2025-10-06T13:29:59Z", "2025-10-06T13:29:59Z"),
        ("2025-10-06T13:29:59.999+00:00", "2025-10-06T13:29:59Z"),
        ("2025-10-06T09:29:59-04:00", "2025-10-06T13:29:59Z"),
        ("2025-10-06 09:29:59 -0400", "2025-10-06T13:29:59Z"),
        ("2025-10-06 13:29:59 UTC", "2025-10-06T13:29:59Z"),
        ("2025-10-06T23:00+10:00", "2025-10-06T13:00:00Z"),
        ("Mon, 06 Oct 2025 13:29:59 GMT", "2025-10-06T13:29:59Z"),
        ("6 Oct 2025 09:29 -0400", "2025-10-06T13:29:00Z"),
        ("2025-10-06T01:29:59", "2025-10-06T01:29:59"),
        ("20251006T012959", "2025-10-06T01:29:59"),
        ("20251006T0129", "2025-10-06T01:29:00"),
        ("2025-10-05", "2025-10-05"),
        ("20251005", "2025-10-05"),
        ("Oct 5, 2025", "2025-10-05"),
        ("October 5, 2025", "2025-10-05"),
        ("5 Oct 2025", "2025-10-05"),
        (" 5 October 2025\n", "2025-10-05"),
    ],
)
def test_a_date_before_the_open_passes_and_is_shown_in_one_form(date: str, shown: str) -> None:
    gate = DateGate(OPEN)
    published = gate.admit(date)
    assert published is not None
    assert (published.text, dict(gate.dropped)) == (shown, {})


NO_DATE = [None, "", "  "]
RELATIVE = ["3 hours ago", "1 day ago", "Yesterday", "today", "just now", "last week", "Tomorrow", "now"]
UNPARSABLE = [
    "unknown",
    "10/03/2025",
    "03.10.2025",
    "2025-10",
    "October 2025",
    "2025",
    "2025-W40",
    "2025-W40-5",
    "2025-13-01",
    "2025-02-30",
    "2025-10-03T25:00:00Z",
    "2025-10-03T09",
    "2025-10-03T09:00 EST",
    "Fri, 03 Oct 2025 08:19:28 PM",
    "Fri, 03 Oct 2025 08:19:28 CEST",
    "1759500000",
    1759500000,
    ["2025-10-03"],
    True,
    "1970-01-01T00:00:00Z",
    "1970-01-01",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31",
    "9999-12-31T23:59:59-14:00",
]
# In some time zone before the open, in some after it.
UNCERTAIN = ["2025-10-06", "Oct 6, 2025", "20251006", "2025-10-06T09:00:00", "20251006T013000", "2025-10-07"]
LATER = [
    "2025-10-06T13:30:00Z",
    "2025-10-06T09:30:00-04:00",
    "Mon, 06 Oct 2025 13:30:00 GMT",
    "2025-10-08",
    "2026-01-01T00:00:00Z",
    "20251007T040000",
]


@pytest.mark.parametrize(
    ("date", "reason"),
    [(date, "no_date") for date in NO_DATE]
    + [(date, "relative_date") for date in RELATIVE]
    + [(date, "unparsable_date") for date in UNPARSABLE]
    + [(date, "uncertain_date") for date in UNCERTAIN]
    + [(date, "later_date") for date in LATER],
    ids=repr,
)
def test_a_date_that_is_not_certainly_before_the_open_is_dropped_and_counted_by_its_reason(
    date: object, reason: str
) -> None:
    gate = DateGate(OPEN)
    assert gate.admit(date) is None
    assert dict(gate.dropped) == {reason: 1}


def test_reasons_are_counted_together() -> None:
    gate = DateGate(OPEN)
    assert [gate.admit(date) for date in (None, "", "1 day ago", "2025-10-09", "2025-10-09")] == [None] * 5
    assert dict(gate.dropped) == {"no_date": 2, "relative_date": 1, "later_date": 2}


def test_a_time_without_a_zone_is_somewhere_between_the_worlds_first_and_last_zone() -> None:
    published = read_date("2025-10-05T12:00:00")
    assert isinstance(published, Published)
    assert published.earliest == dt.datetime(2025, 10, 4, 22, tzinfo=dt.UTC)
    assert published.latest == dt.datetime(2025, 10, 6, 0, tzinfo=dt.UTC)


def test_the_newest_time_without_a_zone_is_where_such_times_cease_to_pass() -> None:
    gate = DateGate(OPEN)
    newest = gate.newest_without_zone
    assert gate.admit(newest.isoformat()) is None
    assert gate.admit((newest - dt.timedelta(seconds=1)).isoformat()) is not None


def test_a_day_passes_where_it_is_over_in_every_zone_at_the_open() -> None:
    tokyo = dt.datetime(2025, 10, 6, 0, 0, tzinfo=dt.UTC)
    assert DateGate(tokyo).admit("2025-10-05") is None
    assert DateGate(tokyo).admit("2025-10-04") is not None
