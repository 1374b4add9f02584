"""The two axes of the arena: exchange sessions and models."""

import datetime as dt
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._core.definitions.partitions.utils.multi import PartitionDimensionKey

from aitrader_pipeline.config import Settings
from aitrader_pipeline.errors import ConfigError
from aitrader_pipeline.market.calendar import TradingCalendar
from aitrader_pipeline.market.vendors import answers_by
from aitrader_pipeline.market.wanted import first_wanted_session, listed_symbols
from aitrader_pipeline.store.records import RecordStore
from aitrader_pipeline.trading.chains import Cell

if TYPE_CHECKING:
    from dagster._core.instance import DynamicPartitionsStore

# Multi-dimensional mappings and backfill policies are in beta upstream, and what this project is built on.
warnings.filterwarnings("ignore", category=dg.BetaWarning)

_DAYS_AHEAD = 366


class Grid(dg.MultiPartitionsDefinition):
    """Sessions by models. Remembers its keys.

    Dagster asks for those of a range with every cell's metadata, and for all wherever what spans them is written.
    """

    def get_partition_keys(
        self,
        current_time: dt.datetime | None = None,
        dynamic_partitions_store: "DynamicPartitionsStore | None" = None,
    ) -> Sequence[Any]:
        """All cells; they change only with the newest session."""
        known: dict[str | None, Sequence[Any]] = self.__dict__.setdefault("_known_keys", {})
        with partition_loading_context(current_time, dynamic_partitions_store):
            newest = self.time_window_dimension.partitions_def.get_last_partition_key()
            if newest not in known:
                known.clear()
                known[newest] = self._keys()
            return known[newest]

    def _keys(self) -> list[dg.MultiPartitionKey]:
        """What Dagster would make one by one, checking each: 20 µs a key, twice that for every launch."""
        dates, models = (
            [PartitionDimensionKey(dimension.name, key) for key in dimension.partitions_def.get_partition_keys()]
            for dimension in self.partitions_defs
        )
        return [_key_of(date, model) for date in dates for model in models]

    def get_partition_keys_in_range(
        self,
        partition_key_range: dg.PartitionKeyRange,
        dynamic_partitions_store: "DynamicPartitionsStore | None" = None,
    ) -> Sequence[Any]:
        """The keys of the rectangle between two cells."""
        known: dict[tuple[str, str], Sequence[Any]] = self.__dict__.setdefault("_known_ranges", {})
        ends = (str(partition_key_range.start), str(partition_key_range.end))
        if ends not in known:
            known[ends] = super().get_partition_keys_in_range(partition_key_range, dynamic_partitions_store)
        return known[ends]


def _key_of(date: PartitionDimensionKey, model: PartitionDimensionKey) -> dg.MultiPartitionKey:
    key = str.__new__(dg.MultiPartitionKey, f"{date.partition_key}|{model.partition_key}")
    key.dimension_keys = [date, model]
    return key


@dataclass(frozen=True)
class Axes:
    """Sessions, models and their grid, as Dagster partitions."""

    sessions: dg.DailyPartitionsDefinition
    models: tuple[str, ...]
    grid: Grid
    _known_dates: dict[str | None, list[dt.date]] = field(default_factory=dict, compare=False, repr=False)

    def dates(self) -> list[dt.date]:
        """Sessions of the arena that can be selected today."""
        newest = self.sessions.get_last_partition_key()
        if newest not in self._known_dates:
            self._known_dates[newest] = [dt.date.fromisoformat(key) for key in self.sessions.get_partition_keys()]
        return self._known_dates[newest]


def calendar_of(settings: Settings) -> TradingCalendar:
    """The exchange's calendar over the arena's dates, and a year ahead where they are open-ended."""
    dates = settings.config.date_range
    last = dates.end_date or dt.datetime.now(dt.UTC).date() + dt.timedelta(days=_DAYS_AHEAD)
    return TradingCalendar(settings.config.market.calendar, dates.init_date, max(last, dates.init_date))


def axes_of(settings: Settings) -> Axes:
    """The arena's partitions: enabled models in the config's order, then others that have records.

    Raises:
        ConfigError: there is no session in the config's dates.
    """
    config = settings.config
    dates = config.date_range
    calendar = calendar_of(settings)
    if dates.end_date is not None and not calendar.sessions(dates.init_date, dates.end_date):
        raise ConfigError(
            f"date_range: {config.market.calendar} has no session from {dates.init_date} to {dates.end_date}"
        )
    enabled = [model.signature for model in config.enabled_models]
    recorded = [name for name in RecordStore(settings.records_dir).models() if name not in enabled]
    sessions = _daily_sessions(settings, calendar, dates.init_date)
    models = (*enabled, *recorded)
    grid = Grid({"date": sessions, "model": dg.StaticPartitionsDefinition(models)})
    return Axes(sessions, models, grid)


def raw_price_partitions(settings: Settings) -> dg.PartitionsDefinition[str]:
    """What a vendor's answers are kept by: the symbols of the config, or sessions where a call brings them all."""
    config = settings.config
    if answers_by(config.market.source) == "symbol":
        return dg.StaticPartitionsDefinition(listed_symbols(config))
    first = first_wanted_session(config)
    last = calendar_of(settings).last
    return _daily_sessions(settings, TradingCalendar(config.market.calendar, first, last), first)


def _daily_sessions(settings: Settings, calendar: TradingCalendar, first: dt.date) -> dg.DailyPartitionsDefinition:
    """The exchange's sessions from a date to the arena's last; today's can be selected in an open-ended one."""
    end = settings.config.date_range.end_date
    holidays = [dt.datetime.combine(day, dt.time()) for day in calendar.weekday_holidays(first, calendar.last)]
    return dg.DailyPartitionsDefinition(
        start_date=first.isoformat(),
        end_date=(end + dt.timedelta(days=1)).isoformat() if end else None,
        end_offset=0 if end else 1,
        timezone=calendar.time_zone,
        exclusions=["0 0 * * 6", "0 0 * * 0", *holidays],
    )


# A session opens with what the same model's session before it closed with.
PREVIOUS_SESSION = dg.MultiPartitionMapping(
    {
        "date": dg.DimensionPartitionMapping(
            "date", dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1)
        ),
        "model": dg.DimensionPartitionMapping("model", dg.IdentityPartitionMapping()),
    }
)


def cell_of(partition_key: str) -> Cell:
    """The model-day of a partition key such as ``2025-10-02|gpt-5``."""
    date, _, model = partition_key.partition("|")
    return Cell(dt.date.fromisoformat(date), model)


def partition_key_of(cell: Cell) -> dg.MultiPartitionKey:
    """The partition key of a model-day."""
    return dg.MultiPartitionKey({"date": cell.date.isoformat(), "model": cell.model})


def range_tags(first: str, last: str) -> dict[str, str]:
    """The run tags by which Dagster selects the partitions from one key to another."""
    return {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}


@dataclass(frozen=True)
class Block:
    """A rectangle of the grid: the sessions from ``first`` to ``last`` of models that are neighbours."""

    first: dt.date
    last: dt.date
    models: tuple[str, ...]

    def __str__(self) -> str:
        """Such as ``2025-10-02..2025-10-30/a,b,c``."""
        return f"{self.first}..{self.last}/{','.join(self.models)}"

    def cells(self, dates: Iterable[dt.date]) -> list[Cell]:
        """The model-days of the rectangle, given the arena's sessions."""
        return [Cell(date, model) for date in dates if self.first <= date <= self.last for model in self.models]

    def tags(self) -> dict[str, str]:
        """The run tags by which Dagster selects the rectangle."""
        return range_tags(
            f"{self.first.isoformat()}|{self.models[0]}", f"{self.last.isoformat()}|{self.models[-1]}"
        )


def blocks(cells: Iterable[Cell], dates: Sequence[dt.date], models: Sequence[str]) -> list[Block]:
    """Cut a set of model-days into rectangles that hold exactly these, each model's in date order.

    Args:
        cells: the model-days, each on the axes.
        dates: the arena's sessions in order.
        models: the arena's models in order.
    """
    position = {date: i for i, date in enumerate(dates)}
    runs: list[tuple[int, dt.date, dt.date]] = []
    for model, group in groupby(sorted(cells, key=lambda c: (models.index(c.model), c.date)), lambda c: c.model):
        days = [cell.date for cell in group]
        for _, neighbours in groupby(enumerate(days), lambda pair: position[pair[1]] - pair[0]):
            span = [day for _, day in neighbours]
            runs.append((models.index(model), span[0], span[-1]))
    found: list[Block] = []
    for (first, last), same in groupby(sorted(runs, key=lambda r: (r[1], r[2], r[0])), lambda r: (r[1], r[2])):
        rows = [row for row, _, _ in same]
        for _, adjacent in groupby(enumerate(rows), lambda pair: pair[1] - pair[0]):
            found.append(Block(first, last, tuple(models[row] for _, row in adjacent)))
    return found
