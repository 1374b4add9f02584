"""The mart's `corporate_actions` table: what is loaded into it, what that changed, and how it is read."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from aitrader_pipeline.market.actions import ActionBatch, ActionKind, CorporateAction, content_hash
from aitrader_pipeline.market.ex_dates import ExDates
from aitrader_pipeline.store.sql import statement
from aitrader_pipeline.store.staging import insert_rows

_PACKAGE = "aitrader_pipeline.market"
_COLUMNS = ("symbol", "ex_date", "kind", "value", "new_symbol", "source", "fetched_at")
_Key = tuple[str, dt.date, ActionKind]


@dataclass(frozen=True)
class RestatedAction:
    """A stored action that a newer load says otherwise, or no longer says at all: then `after` is None."""

    before: CorporateAction
    after: CorporateAction | None

    def __str__(self) -> str:
        """For people: ``AAPL 2005-02-28 split``, and whether it is gone."""
        gone = " (gone)" if self.after is None else ""
        return f"{self.before.symbol} {self.before.ex_date} {self.before.kind}{gone}"


@dataclass(frozen=True)
class ActionChanges:
    """What a load did to the table.

    Attributes:
        added: Actions that the table did not have.
        restated: Stored actions that are others now or gone, sorted by symbol, date and kind.
        unchanged: Actions that said nothing new; their rows keep their source and time.
        revised: Ex-dates by symbol of all that were added or restated. A session may have gone without them.
    """

    added: tuple[CorporateAction, ...]
    restated: tuple[RestatedAction, ...]
    unchanged: int

    @property
    def revised(self) -> Mapping[str, Sequence[dt.date]]:
        """See above."""
        revised: dict[str, list[dt.date]] = {}
        for action in (*self.added, *(restated.before for restated in self.restated)):
            revised.setdefault(action.symbol, []).append(action.ex_date)
        return revised


def save_actions(
    con: duckdb.DuckDBPyConnection,
    batch: ActionBatch,
    fetched_at: dt.datetime,
    *,
    is_whole: bool,
    adjusted: bool = False,
) -> ActionChanges:
    """Load a batch into the table, inside the caller's transaction; the same batch again changes nothing.

    Args:
        con: A connection to the mart.
        batch: The actions to load.
        fetched_at: When they were read from their source; with a time zone.
        is_whole: Whether these are all that there are, as a file's are: then what it leaves out is removed. What a
            vendor leaves out, having been asked for other dates, stays.
        adjusted: Whether the prices are adjusted for splits: then no split changes what is held, and none is kept.

    Returns:
        What changed.

    Raises:
        ValueError: `fetched_at` has no time zone.
    """
    if fetched_at.tzinfo is None:
        raise ValueError("fetched_at needs a time zone")
    stored = {_key(action): action for action in read_actions(con).actions}
    loaded = {_key(action): action for action in batch.actions if not (adjusted and action.kind == "split")}
    gone = {key for key in stored.keys() - loaded.keys() if is_whole or (adjusted and key[2] == "split")}
    changed = {key for key, action in loaded.items() if stored.get(key) != action}
    for key in gone | (changed & stored.keys()):
        con.execute(statement(_PACKAGE, "delete_corporate_action"), key)
    insert_rows(
        con, "corporate_actions", _COLUMNS, [_row(loaded[key], batch.source, fetched_at) for key in changed]
    )
    return ActionChanges(
        added=tuple(loaded[key] for key in sorted(changed - stored.keys())),
        restated=tuple(
            RestatedAction(stored[key], loaded.get(key)) for key in sorted(gone | (changed & stored.keys()))
        ),
        unchanged=len(loaded) - len(changed),
    )


def read_actions(con: duckdb.DuckDBPyConnection, through: dt.date | None = None) -> ExDates:
    """Read the stored actions.

    Args:
        con: A connection to the mart.
        through: The last ex-date to read; None for all.
    """
    rows = con.execute(statement(_PACKAGE, "read_corporate_actions"), {"through": through}).fetchall()
    return ExDates.of(CorporateAction(*row) for row in rows)


def actions_hash(con: duckdb.DuckDBPyConnection) -> str:
    """Return the hash of all stored actions, in the sense of `ActionBatch.content_hash`."""
    return content_hash(sorted(read_actions(con).actions, key=_key))


def _key(action: CorporateAction) -> _Key:
    return action.symbol, action.ex_date, action.kind


def _row(action: CorporateAction, source: str, fetched_at: dt.datetime) -> tuple[object, ...]:
    value = None if action.value is None else str(action.value)
    return (*_key(action), value, action.new_symbol, source, fetched_at)
