"""Launching in this process: finds what a slice of the grid still owes and runs it through Dagster."""

import atexit
import datetime as dt
import gc
import uuid
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import dagster as dg
from dagster_duckdb import DuckDBResource

from aitrader_pipeline.automation.abandoned import process_tags
from aitrader_pipeline.automation.failures import failure_message, was_interrupted
from aitrader_pipeline.catalog import (
    BOARDS,
    BOOKS,
    COMPARED_PRICES,
    CORPORATE_ACTIONS,
    COVERAGE,
    PRICES,
    RAW_PRICES,
    SESSIONS,
)
from aitrader_pipeline.config import Settings
from aitrader_pipeline.definitions import build_definitions
from aitrader_pipeline.errors import ArenaError, CallError
from aitrader_pipeline.market.calendar import TradingCalendar
from aitrader_pipeline.market.fetch_assets import OnFetch
from aitrader_pipeline.market.prices import read_newest_session
from aitrader_pipeline.partitions import (
    Axes,
    Block,
    axes_of,
    blocks,
    calendar_of,
    cell_of,
    range_tags,
    raw_price_partitions,
)
from aitrader_pipeline.performance.books import forget_cells, scored_cells
from aitrader_pipeline.performance.checks import IDENTITY_CHECKS
from aitrader_pipeline.store.mart import reading, writing
from aitrader_pipeline.store.records import RecordStore
from aitrader_pipeline.trading.assets import session_event, sessions_config
from aitrader_pipeline.trading.chains import Cell
from aitrader_pipeline.trading.decision_log import forget_decisions
from aitrader_pipeline.trading.launches import newest_events
from aitrader_pipeline.trading.leak_tables import forget_leaks
from aitrader_pipeline.trading.marks import Marks
from aitrader_pipeline.trading.record import SessionRecord

_INTERRUPTED = "the command was interrupted"
_AS_IT_IS: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Slice:
    """What a user asks for: sessions from ``start`` to ``end``, both included, of these models; None for all.

    What is missing of them is run. What is finished is run again where ``replace`` says so, or, with ``stale``,
    from each model's first stale session on.
    """

    start: dt.date | None = None
    end: dt.date | None = None
    models: tuple[str, ...] | None = None
    replace: bool = False
    stale: bool = False


@dataclass(frozen=True)
class Plan:
    """What a slice still owes: its model-days to trade, and such of any slice as stand and are to be scored."""

    wanted: frozenset[Cell]
    to_trade: frozenset[Cell]
    to_score: frozenset[Cell]


@dataclass(frozen=True)
class LoadedPrices:
    """What is amiss with the prices after loading them.

    Attributes:
        refused: How many bars and corporate actions could not be loaded; all others are.
        first_refused: The first of them with file, line and reason.
        missing: How many bars the arena needs and has not.
    """

    refused: int
    first_refused: tuple[str, ...]
    missing: int


@dataclass
class Report:
    """What a launch did; ``failures`` are the messages of the steps that failed."""

    traded: int = 0
    scored: int = 0
    failures: list[str] = field(default_factory=list)


class Launcher:
    """Runs parts of the asset graph in this process, on the arena's own Dagster instance."""

    def __init__(
        self,
        settings: Settings,
        instance: dg.DagsterInstance,
        on_record: Callable[[SessionRecord], None] = lambda _: None,
        on_fetch: OnFetch = lambda _: None,
    ) -> None:
        """Load the definitions.

        Args:
            settings: the active arena.
            instance: the Dagster instance that keeps the runs.
            on_record: told of every model-day that is finished.
            on_fetch: told of every call of a price vendor.
        """
        self._settings = settings
        self._instance = instance
        self._axes = axes_of(settings)
        self._records = RecordStore(settings.records_dir)
        self._on_record = on_record
        self._launches: set[str] = set()
        self._recorded = 0
        self._job = build_definitions(settings, self._count, on_fetch).resolve_implicit_global_asset_job_def()
        # All that is loaded now stays: to look through it for garbage doubles what a plan of 50,000 cells costs.
        gc.freeze()
        atexit.register(gc.unfreeze)

    def _count(self, record: SessionRecord) -> None:
        # What another launch had run meanwhile is not of this one's doing.
        self._recorded += record.launch in self._launches
        self._on_record(record)

    def load_prices(self) -> LoadedPrices:
        """Materialise ``prices`` and what goes with them; of a vendor, what is missing is fetched first.

        Returns:
            What is amiss with them.

        Raises:
            ArenaError: the source cannot be read; nothing of the stored prices is lost.
        """
        if self._settings.config.market.is_vendor:
            return self._fetched({"retry_failed": False})
        return self._load()

    def fetch_prices(self, **config: object) -> LoadedPrices:
        """Ask the vendor for what is missing, and load what came; the same of a vendor to compare with.

        Args:
            config: the settings of `FetchConfig`.

        Returns:
            What is amiss with the prices then.

        Raises:
            CallError: the arena has no vendor.
            ArenaError: the vendor does not take the key, or what came cannot be loaded.
        """
        market = self._settings.config.market
        if not market.vendors:
            files = f"market.source {market.source!r} is a source of files"
            raise CallError(f"{files}: nothing is fetched, `aitrader run` loads it")
        refused = self._fetched(config) if market.is_vendor else self._load()
        if market.compare_with is not None and market.compare_with.is_vendor:
            _refuse_unfetched(self._execute([COMPARED_PRICES], config=_config_of(COMPARED_PRICES, config)))
        return refused

    def _fetched(self, config: Mapping[str, object]) -> LoadedPrices:
        keys = raw_price_partitions(self._settings).get_partition_keys()
        failures = self._execute([RAW_PRICES], range_tags(keys[0], keys[-1]), _config_of(RAW_PRICES, config))
        refused = self._load()
        _refuse_unfetched(failures)
        return refused

    def _load(self) -> LoadedPrices:
        failures = self._execute([PRICES, CORPORATE_ACTIONS, COVERAGE])
        if failures:
            raise ArenaError("prices could not be loaded: " + "; ".join(failures))
        bars, actions = self._metadata(PRICES), self._metadata(CORPORATE_ACTIONS)
        return LoadedPrices(
            bars.get("bars_refused", 0) + actions.get("actions_refused", 0),
            (*bars.get("refused", ()), *actions.get("refused", ())),
            self._metadata(COVERAGE).get("missing", 0),
        )

    def _metadata(self, asset: str) -> Mapping[str, Any]:
        """What the newest materialisation of an asset told."""
        event = self._instance.get_latest_materialization_event(dg.AssetKey(asset))
        loaded = event.asset_materialization if event else None
        return {name: value.value for name, value in loaded.metadata.items()} if loaded else {}

    def plan(self, wanted: Slice) -> Plan:
        """Find what a slice still owes.

        Raises:
            CallError: a model is unknown, or a date is no session of the arena.
        """
        models = _known_models(self._settings, self._axes, wanted.models)
        dates = _known_dates(self._settings, self._axes, calendar_of(self._settings), wanted)
        cells = frozenset(Cell(date, model) for date in dates for model in models)
        # Whatever the slice: a close that was completed or restated moves the days after it as well.
        every = [Cell(date, model) for date in self._axes.dates() for model in self._axes.models]
        sessions = newest_events(self._instance, SESSIONS)
        standing = self._recorded_of(every, sessions)
        to_trade = cells if wanted.replace else cells - standing
        if wanted.stale:
            to_trade |= _from_the_first_on(self.stale() & cells, cells)
        _refuse_switched_off(self._settings, to_trade)
        with reading(self._settings.mart_path) as con:
            scored = scored_cells(con)
        to_score = (standing - scored) | (standing & self._unfollowed(sessions))
        return Plan(cells, to_trade, to_score - to_trade)

    def stale(self) -> frozenset[Cell]:
        """Finished model-days of the enabled models that would be given another book or other bars today."""
        enabled = {model.signature for model in self._settings.config.enabled_models}
        return frozenset(cell for cell in Marks(self._instance).stale() if cell.model in enabled)

    def run(
        self, plan: Plan, *, replace: bool = False, replay: bool = False, accept_differences: bool = False
    ) -> Report:
        """Run a plan, block by block: sessions with their books, then the boards over everything.

        A failed model-day ends its model's chain; everything else is completed, scored and ranked.

        Args:
            plan: what is to be run.
            replace: run again what has been finished since the plan was made.
            replay: ask nobody; take the recorded answers.
            accept_differences: in a replay, take the answers in their order where something else is asked.
        """
        how = sessions_config(
            keep_finished=not replace,
            replay=replay,
            accept_differences=accept_differences,
            # One command is one run to whoever pays for it, however many blocks it takes.
            budget=str(uuid.uuid4()),
        )
        report = Report()
        # First what stands: the books of a later day only add up on top of those.
        self._score(plan.to_score, report)
        unscored: set[Cell] = set()
        for block in self._blocks(plan.to_trade):
            failures = self._execute([SESSIONS, *BOOKS], block.tags(), how)
            report.failures += failures
            if failures:
                unscored |= self._finished(block.cells(self._axes.dates()))
        report.traded = self._recorded
        self._score(unscored, report)
        report.failures += self._execute(BOARDS)
        return report

    def _score(self, cells: Iterable[Cell], report: Report) -> None:
        for block in self._blocks(cells):
            report.failures += self._execute(BOOKS, block.tags())
            report.scored += len(block.cells(self._axes.dates()))

    def score(self, cells: Iterable[Cell]) -> Report:
        """Materialise what follows from sessions that stand, such as imported ones."""
        return self.run(Plan(frozenset(), frozenset(), frozenset(cells)))

    def forget(self, cells: Iterable[Cell]) -> None:
        """Drop the rows of model-days whose records are gone."""
        gone = frozenset(cells)
        with writing(DuckDBResource(database=str(self._settings.mart_path))) as con:
            forget_cells(con, gone)
            forget_decisions(con, gone)
            forget_leaks(con, gone)

    def report_sessions(self, cells: Iterable[Cell]) -> None:
        """Tell Dagster of sessions that were recorded outside of a run."""
        marks = Marks(self._instance)
        for cell in sorted(cells):
            record = self._records.read(cell.model, cell.date)
            if record is not None:
                self._instance.report_runless_asset_event(session_event(record, marks))

    def _finished(self, cells: Iterable[Cell]) -> frozenset[Cell]:
        """Cells whose record stands and which Dagster knows of."""
        return self._recorded_of(cells, self._instance.get_materialized_partitions(dg.AssetKey(SESSIONS)))

    def _recorded_of(self, cells: Iterable[Cell], known: Container[str]) -> frozenset[Cell]:
        wanted = set(cells)
        stored = {Cell(d, m) for m in {c.model for c in wanted} for d in self._records.dates(m)}
        return frozenset(cell for cell in wanted & stored if str(cell) in known)

    def _unfollowed(self, sessions: Mapping[str, int]) -> frozenset[Cell]:
        """Cells whose tables were written before their newest session or never, given the sessions' events."""
        # Positions, holdings and daily P&L are written together.
        first, last = (newest_events(self._instance, asset) for asset in (BOOKS[0], BOOKS[-1]))
        return frozenset(
            cell_of(key)
            for key, event in sessions.items()
            if first.get(key, 0) < event or last.get(key, 0) < event
        )

    def _blocks(self, cells: Iterable[Cell]) -> list[Block]:
        return blocks(cells, self._axes.dates(), self._axes.models)

    def _execute(
        self, assets: Sequence[str], tags: Mapping[str, str] = _AS_IT_IS, config: Mapping[str, Any] = _AS_IT_IS
    ) -> list[str]:
        """Run assets in this process and return the messages of what failed; an interruption goes on upwards.

        A red check is no failure here: the books of one block may only add up with those of the next, and the
        leaderboard, which comes last, verifies the same and says what is wrong.
        """
        run_id = str(uuid.uuid4())
        self._launches.add(run_id)
        self._instance.add_event_listener(run_id, self._cancel_if_interrupted)
        result = self._job.execute_in_process(
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}, **config},
            instance=self._instance,
            asset_selection=[dg.AssetKey(asset) for asset in assets],
            run_id=run_id,
            tags={**process_tags(run_id), **tags},
            raise_on_error=False,
        )
        if any(was_interrupted(event) for event in result.all_events):
            raise KeyboardInterrupt
        failed = (event for event in result.all_events if event.is_step_failure)
        return [failure_message(event) for event in failed if event.step_key != IDENTITY_CHECKS]

    def _cancel_if_interrupted(self, entry: dg.EventLogEntry) -> None:
        """Without a request of its own Dagster would have it that an interrupted run has failed."""
        event = entry.dagster_event
        if event is None or not was_interrupted(event):
            return
        run = self._instance.get_run_by_id(entry.run_id)
        if run is not None and event.is_step_failure:
            self._instance.report_run_canceling(run, _INTERRUPTED)
        elif run is not None and event.is_run_failure:
            self._instance.report_run_canceled(run, _INTERRUPTED)


def _config_of(asset: str, config: Mapping[str, object]) -> dict[str, Any]:
    return {"ops": {asset: {"config": dict(config)}}}


def _refuse_unfetched(failures: Sequence[str]) -> None:
    if failures:
        raise ArenaError("prices could not be fetched: " + "; ".join(failures))


def _from_the_first_on(stale: Iterable[Cell], cells: Iterable[Cell]) -> frozenset[Cell]:
    first: dict[str, dt.date] = {}
    for cell in stale:
        first[cell.model] = min(cell.date, first.get(cell.model, cell.date))
    return frozenset(cell for cell in cells if cell.date >= first.get(cell.model, dt.date.max))


def _known_models(settings: Settings, axes: Axes, named: tuple[str, ...] | None) -> tuple[str, ...]:
    enabled = tuple(model.signature for model in settings.config.enabled_models)
    if named is None:
        return enabled
    # A model that has replicas is named as the config names it, or replica by replica.
    named = tuple(one for name in named for one in settings.config.replicas(name) or (name,))
    unknown = [name for name in named if name not in axes.models]
    if unknown:
        raise CallError(
            f"unknown model{'s' if len(unknown) > 1 else ''} {', '.join(unknown)}; "
            f"{settings.config_path.name} enables: {', '.join(enabled)}"
        )
    return tuple(dict.fromkeys(named))


def _refuse_switched_off(settings: Settings, to_trade: Iterable[Cell]) -> None:
    enabled = {model.signature for model in settings.config.enabled_models}
    switched_off = sorted({cell.model for cell in to_trade} - enabled)
    if switched_off:
        raise CallError(
            f"{', '.join(switched_off)}: not enabled in {settings.config_path.name}; what is recorded stands, "
            "new sessions need the model enabled there"
        )


def _known_dates(settings: Settings, axes: Axes, calendar: TradingCalendar, wanted: Slice) -> list[dt.date]:
    dates = axes.dates()
    for option, date in (("--start", wanted.start), ("--end", wanted.end)):
        if date is not None and date not in dates:
            raise CallError(f"{option} {date}: {_why_no_session(date, dates, calendar)}")
    with reading(settings.mart_path) as con:
        newest = read_newest_session(con)
    last = wanted.end or (min(newest, dates[-1]) if newest else dates[-1])
    chosen = [date for date in dates if (wanted.start or dates[0]) <= date <= last]
    if not chosen:
        raise CallError(
            f"there is no session to run from {wanted.start or dates[0]} to {last}; "
            f"the arena runs from {dates[0]} to {dates[-1]}, prices reach {newest}"
        )
    return chosen


def _why_no_session(date: dt.date, dates: Sequence[dt.date], calendar: TradingCalendar) -> str:
    if not dates[0] <= date <= dates[-1]:
        return f"the arena's sessions run from {dates[0]} to {dates[-1]} (date_range in the config)"
    return calendar.why_no_session(date)
