"""Finished sessions that would be given something else today: another book to open from, or other bars."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence

from aitrader_pipeline.errors import SessionError, StoreError
from aitrader_pipeline.store.records import RecordStore
from aitrader_pipeline.trading.arena import Arena
from aitrader_pipeline.trading.record import SessionRecord


def superseded_by(newest: SessionRecord | None, records: RecordStore) -> list[dt.date]:
    """Later sessions of a record's model, if the next of them did not open from that record as it is now.

    Args:
        newest: the record that a chain ends with for now, None where it has none.
        records: the store, which holds the later ones.
    """
    if newest is None:
        return []
    later: list[dt.date] = []
    try:
        later = [date for date in records.dates(newest.model) if date > newest.date]
        following = records.read(newest.model, later[0]) if later else None
    except StoreError:
        return later
    if following is None or following.source == "import" or following.follows(newest):
        return []
    return later


def that_saw(revised: Mapping[str, Sequence[dt.date]], arena: Arena) -> Iterator[SessionRecord]:
    """Sessions that saw a bar which has become another since.

    Args:
        revised: dates by symbol of the bars that may be others now.
        arena: with the bars as they are now, and the records.

    Raises:
        StoreError: a record cannot be read.
    """
    first = min((date for dates in revised.values() for date in dates), default=dt.date.max)
    for model in arena.records.models():
        for date in arena.records.dates(model):
            record = arena.records.read(model, date) if date >= first else None
            if record is not None and record.source == "session" and _sees_otherwise(record, revised, arena):
                yield record


def _sees_otherwise(record: SessionRecord, revised: Mapping[str, Sequence[dt.date]], arena: Arena) -> bool:
    seen = record.prices_seen
    if seen is not None and not seen.hold_any(revised):
        return False
    return sees_otherwise(record, arena)


def sees_otherwise(record: SessionRecord, arena: Arena) -> bool:
    """Whether a session would see other bars in an arena than it saw.

    Args:
        record: what it was.
        arena: with the bars as they are now.
    """
    seen = record.prices_seen
    try:
        view = arena.view(record.date, tuple(record.start.shares))
    except SessionError:
        return True
    # A record of before this was kept may have seen all that its view held.
    return view.hash != record.versions.prices if seen is None else view.fingerprint(seen.dates()) != seen.hash
