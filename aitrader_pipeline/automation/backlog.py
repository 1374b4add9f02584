"""The backlog: model-days that should be there and are not, and such as have not been scored."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import dagster as dg

from aitrader_pipeline.catalog import BOOKS, SESSIONS
from aitrader_pipeline.config import Settings
from aitrader_pipeline.market.prices import read_newest_session
from aitrader_pipeline.partitions import Axes, cell_of
from aitrader_pipeline.store.mart import reading
from aitrader_pipeline.store.records import RecordStore
from aitrader_pipeline.trading.chains import Cell
from aitrader_pipeline.trading.launches import cells_under_way

SESSIONS_KEY = dg.AssetKey(SESSIONS)
BOOKS_KEY = dg.AssetKey(BOOKS[-1])


@dataclass(frozen=True)
class Backlog:
    """What the enabled models owe up to the newest session with prices.

    Attributes:
        newest: the newest session of the arena that has prices; None where there is none.
        missing: model-days without a record, gaps included.
        under_way: those of them that some unfinished launch has been asked for.
    """

    newest: dt.date | None
    missing: frozenset[Cell]
    under_way: frozenset[Cell]

    @property
    def due(self) -> frozenset[Cell]:
        """What nobody is running yet."""
        return self.missing - self.under_way


def backlog_of(settings: Settings, axes: Axes, instance: dg.DagsterInstance) -> Backlog:
    """Look up what is missing and what is being run.

    Raises:
        StoreError: the mart stays locked.
    """
    newest = newest_session(settings, axes.dates())
    if newest is None:
        return Backlog(None, frozenset(), frozenset())
    wanted = [date for date in axes.dates() if date <= newest]
    missing = missing_records(settings, wanted)
    under_way = cells_under_way(instance, axes, SESSIONS_KEY) if missing else frozenset()
    return Backlog(newest, missing, missing & under_way)


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


def unscored_sessions(axes: Axes, instance: dg.DagsterInstance) -> frozenset[Cell]:
    """Sessions without books, as after a run in which another model failed; none that is being scored."""
    sessions = instance.get_materialized_partitions(SESSIONS_KEY)
    scored = instance.get_materialized_partitions(BOOKS_KEY)
    on_axes = {str(Cell(date, model)) for date in axes.dates() for model in axes.models}
    unscored = (sessions - scored) & on_axes
    if not unscored:
        return frozenset()
    return frozenset(map(cell_of, unscored)) - cells_under_way(instance, axes, BOOKS_KEY)
