"""The mart's `prices` table: what is loaded into it, what that changed, and how it is read."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import duckdb

from aitrader_pipeline.market.bars import Bar, PriceBatch
from aitrader_pipeline.market.view import PriceHistory
from aitrader_pipeline.store.sql import statement

_PACKAGE = "aitrader_pipeline.market"


@dataclass(frozen=True)
class RestatedBar:
    """A stored bar that a newer load contradicts: a value in it was another before."""

    symbol: str
    date: dt.date
    before: Bar
    after: Bar


@dataclass(frozen=True)
class PriceChanges:
    """What a load did to the table.

    Attributes:
        added: Bars of a symbol and date that the table did not have.
        completed: Stored bars that gained values (the newest day's close, say) and lost or changed none.
        restated: Stored bars of which a value changed, sorted by symbol and date.
        unchanged: Bars that said nothing new; their rows keep their source and time.
        revised: Dates by symbol of all bars that say something new of a session that was already priced:
            restated, completed, or come late. A session may have seen them as they were.
    """

    added: int
    completed: int
    restated: tuple[RestatedBar, ...]
    unchanged: int
    revised: Mapping[str, Sequence[dt.date]] = field(default_factory=dict)


def save_prices(con: duckdb.DuckDBPyConnection, batch: PriceBatch, fetched_at: dt.datetime) -> PriceChanges:
    """Load a batch into the table, inside the caller's transaction.

    A row is written only where the batch says something new about its symbol and date, and then whole;
    loading the same batch again changes nothing. An open-only bar does not take away the close that is
    already known for the same open. Rows that the batch does not name stay.

    Args:
        con: A connection to the mart.
        batch: The bars to load.
        fetched_at: When they were read from their source; with a time zone.

    Returns:
        What changed.

    Raises:
        ValueError: `fetched_at` has no time zone.
    """
    if fetched_at.tzinfo is None:
        raise ValueError("fetched_at needs a time zone")
    con.execute(statement(_PACKAGE, "stage_prices"), {"text": batch.text})
    con.execute(statement(_PACKAGE, "forget_known_prices"))
    changed = [
        (Bar(symbol, date, *values[:5]), Bar(symbol, date, *values[5:]))
        for symbol, date, *values in con.execute(statement(_PACKAGE, "changed_prices")).fetchall()
    ]
    revised = dict(con.execute(statement(_PACKAGE, "revised_prices")).fetchall())
    origin = {"source": batch.source, "fetched_at": fetched_at}
    [(written,)] = con.execute(statement(_PACKAGE, "merge_prices"), origin).fetchall()
    con.execute(statement(_PACKAGE, "drop_staged_prices"))
    restated = tuple(
        RestatedBar(after.symbol, after.date, before, after)
        for before, after in changed
        if _contradicts(before, after)
    )
    return PriceChanges(
        added=written - len(changed),
        completed=len(changed) - len(restated),
        restated=restated,
        unchanged=len(batch) - written,
        revised=revised,
    )


def read_history(con: duckdb.DuckDBPyConnection, through: dt.date | None = None) -> PriceHistory:
    """Read the stored bars.

    Args:
        con: A connection to the mart.
        through: The last date to read; None for all.

    Returns:
        The bars up to and including `through`.
    """
    rows = con.execute(statement(_PACKAGE, "read_prices"), {"through": through}).fetchall()
    return PriceHistory.of_texts(dict(rows))


def read_newest_session(con: duckdb.DuckDBPyConnection) -> dt.date | None:
    """Return the newest date that has a bar; None where there is no bar at all."""
    [(newest,)] = con.execute("SELECT max(date) FROM prices").fetchall()
    return newest if isinstance(newest, dt.date) else None


def content_hash(con: duckdb.DuckDBPyConnection) -> str:
    """Return the hash of the whole table's bars, in the sense of `PriceBatch.content_hash`."""
    [(digest,)] = con.execute(statement(_PACKAGE, "prices_hash")).fetchall()
    return str(digest)


def _contradicts(before: Bar, after: Bar) -> bool:
    pairs = (
        (before.open, after.open),
        (before.high, after.high),
        (before.low, after.low),
        (before.close, after.close),
        (before.volume, after.volume),
    )
    return any(old is not None and old != new for old, new in pairs)
