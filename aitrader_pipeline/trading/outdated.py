"""Finished sessions that would be given something else today: another book, other bars or corporate actions."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence

from aitrader_pipeline.errors import SessionError, StoreError
from aitrader_pipeline.store.records import RecordStore
from aitrader_pipeline.trading.arena import Arena
from aitrader_pipeline.trading.ledger import Ledger
from aitrader_pipeline.trading.overnight import apply_actions
from aitrader_pipeline.trading.record import AppliedAction, SessionRecord


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


def that_held(revised: Mapping[str, Sequence[dt.date]], arena: Arena) -> Iterator[SessionRecord]:
    """Sessions to whose holdings other corporate actions apply now than were applied.

    Args:
        revised: ex-dates by symbol of the actions that may be others now.
        arena: with the bars and actions as they are now, and the records.

    Raises:
        StoreError: a record cannot be read.
    """
    if not arena.history.sessions:
        return
    first = min((date for dates in revised.values() for date in dates), default=dt.date.max)
    for model in arena.records.models():
        for date in arena.records.dates(model):
            record = arena.records.read(model, date) if date >= first else None
            if record is None or record.source != "session":
                continue
            held = record.start.shares.keys() | {event.new_symbol for event in record.events}
            if revised.keys() & held and applies_otherwise(record, arena):
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
    saw = [symbol for symbols in seen.spans.values() for symbol in symbols] if seen else []
    try:
        view = arena.view(record.date, tuple(dict.fromkeys((*record.start.shares, *saw))))
    except SessionError:
        return True
    # A record of before this was kept may have seen all that its view held.
    return view.hash != record.versions.prices if seen is None else view.fingerprint(seen.dates()) != seen.hash


def applies_otherwise(record: SessionRecord, arena: Arena) -> bool:
    """Whether other corporate actions apply to what a session started with than were applied.

    Args:
        record: what it was.
        arena: with the bars and actions as they are now.
    """
    if record.opened_from is None:
        return False
    try:
        view = arena.view(record.date, tuple(record.start.shares))
        ledger = Ledger(record.start.portfolio(), universe=frozenset(), price_of=view.open)
        sells_delisted = arena.config.market.delisted == "close"
        apply_actions(ledger, view, record.opened_from.date, sells_delisted=sells_delisted)
    except SessionError:
        return True
    return AppliedAction.numbered(ledger.events) != record.events
