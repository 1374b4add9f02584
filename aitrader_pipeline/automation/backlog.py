"""The backlog: model-days that should be there and are not, and such as have not been scored."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import dagster as dg

from aitrader_pipeline.catalog import BOOKS, SESSIONS
from aitrader_pipeline.config import Settings
from aitrader_pipeline.market.prices import read_newest_session
from aitrader_pipeline.partitions import Axes, calendar_of, cell_of
from aitrader_pipeline.performance.books import scored_cells
from aitrader_pipeline.store.mart import reading
from aitrader_pipeline.store.records import RecordStore
from aitrader_pipeline.trading.chains import Cell
from aitrader_pipeline.trading.launches import cells_under_way, newest_events

SESSIONS_KEY = dg.AssetKey(SESSIONS)
BOOKS_KEY = dg.AssetKey(BOOKS[-1])


@dataclass(frozen=True)
class Backlog:
    """What the enabled models owe up to the newest session with prices.

    Attributes:
        newest: the newest session of the arena that has prices; None where there is none.
        missing: model-days without a record, gaps included.
        under_way: those of them that some unfinished launch has been asked for.
        unpriced: later sessions of the arena that are over and have no prices yet.
    """

    newest: dt.date | None
    missing: frozenset[Cell]
    under_way: frozenset[Cell]
    unpriced: tuple[dt.date, ...] = ()

    @property
    def due(self) -> frozenset[Cell]:
        """What nobody is running yet, nor what opens from it."""
        begins: dict[str, dt.date] = {}
        for cell in self.under_way:
            begins[cell.model] = min(cell.date, begins.get(cell.model, cell.date))
        free = self.missing - self.under_way
        return frozenset(cell for cell in free if cell.date < begins.get(cell.model, dt.date.max))


def backlog_of(settings: Settings, axes: Axes, instance: dg.DagsterInstance, now: dt.datetime) -> Backlog:
    """Look up what is missing and what is being run.

    Args:
        settings: the active arena.
        axes: its partitions.
        instance: the Dagster instance that keeps the runs.
        now: the moment, by which a session is over or not.

    Raises:
        StoreError: the mart stays locked.
    """
    newest = newest_session(settings, axes.dates())
    if newest is None:
        return Backlog(None, frozenset(), frozenset())
    wanted = [date for date in axes.dates() if date <= newest]
    missing = missing_records(settings, wanted)
    under_way = cells_under_way(instance, axes, SESSIONS_KEY) if missing else frozenset()
    calendar = calendar_of(settings)
    later = (date for date in axes.dates() if date > newest)
    return Backlog(newest, missing, missing & under_way, tuple(d for d in later if calendar.close_at(d) <= now))


def newest_session(settings: Settings, dates: Sequence[dt.date]) -> dt.date | None:
    """The newest of the arena's sessions for which there are prices."""
    if not settings.mart_path.exists():
        return None
    with reading(settings.mart_path) as con:
        priced = read_newest_session(con)
    return max((date for date in dates if priced and date <= priced), default=None)


def missing_records(settings: Settings, dates: Iterable[dt.date]) -> frozenset[Cell]:
    """Model-days of the enabled models on these sessions that have no record."""
    store = RecordStore(settings.records_dir)
    wanted = set(dates)
    return frozenset(
        Cell(date, model.signature)
        for model in settings.config.enabled_models
        for date in wanted - set(store.dates(model.signature))
    )


def missed_sessions(
    settings: Settings, axes: Axes, after: dt.date, now: dt.datetime
) -> dict[dt.date, tuple[str, ...]]:
    """Sessions after a date that have been over for the hours of the config, and who has not traded them.

    Args:
        settings: the active arena.
        axes: its partitions.
        after: sessions up to this one do not count.
        now: the moment, by which a session is over or not.

    Returns:
        The enabled models without a record, none of them for a session that is complete; in date order.
    """
    calendar, grace = calendar_of(settings), dt.timedelta(hours=settings.config.notifications.missed_after_hours)
    over = [date for date in axes.dates() if date > after and calendar.close_at(date) + grace <= now]
    missing = missing_records(settings, over)
    enabled = [model.signature for model in settings.config.enabled_models]
    return {date: tuple(name for name in enabled if Cell(date, name) in missing) for date in over}


def unscored_sessions(axes: Axes, instance: dg.DagsterInstance) -> frozenset[Cell]:
    """Sessions without books, as after a run in which another model failed; none that is being scored.

    Books from before a session was run again are those of a session that is gone.
    """
    scored = newest_events(instance, BOOKS[-1])
    unscored = {key for key, event in newest_events(instance, SESSIONS).items() if scored.get(key, 0) < event}
    unscored &= {str(Cell(date, model)) for date in axes.dates() for model in axes.models}
    if not unscored:
        return frozenset()
    return frozenset(map(cell_of, unscored)) - cells_under_way(instance, axes, BOOKS_KEY)


def misvalued_sessions(settings: Settings, axes: Axes, instance: dg.DagsterInstance) -> frozenset[Cell]:
    """Sessions whose books say something else than the stored prices do now, as after a restated close.

    Raises:
        StoreError: the mart stays locked.
    """
    with reading(settings.mart_path) as con:
        right = scored_cells(con)
    standing = instance.get_materialized_partitions(BOOKS_KEY)
    on_axes = {Cell(date, model) for date in axes.dates() for model in axes.models}
    misvalued = frozenset(map(cell_of, standing)) & on_axes - right
    return misvalued - cells_under_way(instance, axes, BOOKS_KEY)
