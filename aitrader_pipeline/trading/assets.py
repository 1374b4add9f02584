"""Assets of the room `trading`: the sessions, and their transcripts as tables."""

import datetime as dt
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import dagster as dg
from dagster_duckdb import DuckDBResource

from aitrader_pipeline.catalog import MART_POOL, OWNERS, PRICES, SESSION_INPUTS, SESSIONS, table_metadata
from aitrader_pipeline.config import Settings
from aitrader_pipeline.market.prices import read_history
from aitrader_pipeline.market.view import PriceHistory
from aitrader_pipeline.partitions import PREVIOUS_SESSION, Axes, calendar_of, cell_of, partition_key_of
from aitrader_pipeline.store.mart import reading, writing
from aitrader_pipeline.store.records import RecordStore
from aitrader_pipeline.store.staging import row_count
from aitrader_pipeline.trading.arena import Arena
from aitrader_pipeline.trading.chains import Cell, Failure, Order, Outcome, run_order
from aitrader_pipeline.trading.launches import (
    cells_of_launch,
    failure_event,
    launch_of,
    launched_at,
    newest_event,
    own_events,
    report_metadata,
)
from aitrader_pipeline.trading.marks import Marks, mark
from aitrader_pipeline.trading.outdated import sees_otherwise, that_saw
from aitrader_pipeline.trading.record import SessionRecord
from aitrader_pipeline.trading.transcripts import write_transcripts

GROUP = "trading"
_PROGRESS_SECONDS = 2.0

OnRecord = Callable[[SessionRecord], None]


class SessionsConfig(dg.Config):
    """How sessions are launched; the default replaces what is there, as a materialisation does.

    Attributes:
        keep_finished: leave finished model-days as they are.
        replay: ask nobody, and take all answers from the recordings.
        accept_differences: in a replay, take the answers in their order where something else is asked.
        budget: what the calls are counted under for the budget of a run; empty for the launch.
    """

    keep_finished: bool = False
    replay: bool = False
    accept_differences: bool = False
    budget: str = ""


def sessions_config(**settings: bool | str) -> dict[str, Any]:
    """The run configuration with these of the settings of :class:`SessionsConfig`."""
    return {"ops": {SESSIONS: {"config": settings}}}


def trading_assets(
    settings: Settings, axes: Axes, on_record: OnRecord
) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """The assets of this room; ``on_record`` is told of every finished model-day, for a progress bar."""
    session_inputs = dg.AssetSpec(
        SESSION_INPUTS,
        description="What a model-day is given: the book that it opens from and the bars that it sees. Observed "
        "where that has changed under a session that stands: the session is stale.",
        group_name=GROUP,
        owners=OWNERS,
        kinds={"duckdb"},
        partitions_def=axes.grid,
        deps=[PRICES],
    )

    @dg.asset(
        name=SESSIONS,
        group_name=GROUP,
        owners=OWNERS,
        kinds={"openai", "mcp"},
        partitions_def=axes.grid,
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[PRICES, SESSION_INPUTS, dg.AssetDep(SESSIONS, partition_mapping=PREVIOUS_SESSION)],
    )
    def agent_sessions(context: dg.AssetExecutionContext, config: SessionsConfig) -> Iterator[object]:
        """A model's trading day: it opens with what its previous session closed with and writes one record.

        Takes any slice of the grid: each model's days in order, the models side by side.
        """
        order = Order(
            cells=frozenset(cell_of(key) for key in context.partition_keys),
            launch=launch_of(context.run),
            owed=cells_of_launch(context),
            keep_finished=config.keep_finished,
            since=launched_at(context),
        )
        with own_events(context):
            outcome = _run(context, settings, order, config, on_record)
            if outcome.failures:
                raise _failure(order, outcome)
            yield dg.MaterializeResult()

    @dg.asset(
        group_name=GROUP,
        owners=OWNERS,
        kinds={"duckdb"},
        partitions_def=axes.grid,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=MART_POOL,
        deps=[SESSIONS],
        metadata=table_metadata("reasoning_logs"),
    )
    def reasoning_logs(context: dg.AssetExecutionContext, duckdb: DuckDBResource) -> dg.MaterializeResult[None]:
        """Every message of every session; beside it `tool_usage` (calls per tool) and `llm_usage` (tokens)."""
        records = records_of(settings, context)
        with writing(duckdb) as con:
            write_transcripts(con, records)
            rows = row_count(con, "reasoning_logs")
        return dg.MaterializeResult(metadata={"dagster/row_count": rows})

    return [session_inputs, agent_sessions, reasoning_logs]


def mark_what_saw(
    settings: Settings,
    context: dg.AssetExecutionContext,
    history: PriceHistory,
    revised: Mapping[str, Sequence[dt.date]],
) -> int:
    """Mark the finished sessions that saw bars which are others now.

    Args:
        settings: the active arena.
        context: of the run that has loaded the bars.
        history: all bars as they are now.
        revised: dates by symbol of those that may be others than they were.

    Returns:
        How many sessions are marked.
    """
    arena = Arena(settings.config, calendar_of(settings), history, RecordStore(settings.records_dir))
    outdated = [_cell(record) for record in that_saw(revised, arena)]
    mark(context, outdated, "a bar that it saw is another now")
    return len(outdated)


def records_of(settings: Settings, context: dg.AssetExecutionContext) -> list[SessionRecord]:
    """The records of a run's partitions.

    Raises:
        dagster.Failure: one of the model-days has no record yet; the message names it.
    """
    store = RecordStore(settings.records_dir)
    records: list[SessionRecord] = []
    for cell in map(cell_of, context.partition_keys):
        record = store.read(cell.model, cell.date)
        if record is None:
            raise dg.Failure(f"{cell.model} has no session on {cell.date}: materialise {SESSIONS} for it first")
        records.append(record)
    return records


def _run(
    context: dg.AssetExecutionContext,
    settings: Settings,
    order: Order,
    config: SessionsConfig,
    on_record: OnRecord,
) -> Outcome:
    last = max(cell.date for cell in order.cells)
    read_at, loaded = dt.datetime.now(dt.UTC), newest_event(context.instance, PRICES)
    arena = Arena(
        settings.config,
        calendar_of(settings),
        _history(settings, through=last),
        RecordStore(settings.records_dir),
        recording="replay" if config.replay else None,
        accept_differences=config.accept_differences,
        budget=config.budget or None,
    )
    progress = _Progress(context, len(order.cells))
    marks = Marks(context.instance, as_of=read_at)

    def finished(record: SessionRecord) -> None:
        context.log_event(session_event(record, marks))
        if _cell(record) in order.cells:
            progress.count(record)
        on_record(record)

    def failed(failure: Failure) -> None:
        context.log.error(str(failure))
        context.log_event(failure_event(failure))

    outcome = run_order(
        arena,
        order,
        on_record=finished,
        on_failure=failed,
        on_wait=lambda model: context.log.info(f"waiting for another run that trades {model}"),
    )
    mark(context, outcome.superseded, "a session before it has been run again")
    if newest_event(context.instance, PRICES) != loaded:
        now = replace(arena, history=_history(settings, through=last), _views=OrderedDict())
        records = ((cell, arena.records.read(cell.model, cell.date)) for cell in outcome.done)
        outdated = [cell for cell, record in records if record is not None and sees_otherwise(record, now)]
        mark(context, outdated, "a bar that it saw became another while it was run")
    return outcome


def session_event(record: SessionRecord, marks: Marks) -> dg.AssetMaterialization:
    """What Dagster is told of a finished session."""
    return dg.AssetMaterialization(
        SESSIONS,
        partition=partition_key_of(_cell(record)),
        metadata=_session_metadata(record),
        tags=marks.provenance(record),
    )


def _failure(order: Order, outcome: Outcome) -> dg.Failure:
    standing = len(outcome.done) + len(outcome.kept)
    return dg.Failure(
        f"{len(outcome.failures)} of {len({cell.model for cell in order.cells})} models failed; "
        f"{standing} of {len(order.cells)} model-days stand. "
        + "; ".join(str(failure) for failure in outcome.failures),
        metadata={failure.cell.model: dg.MetadataValue.md(str(failure)) for failure in outcome.failures},
    )


def _history(settings: Settings, through: dt.date) -> PriceHistory:
    """The stored bars; none where `prices` was never materialised, which the sessions then say."""
    if not settings.mart_path.exists():
        return PriceHistory(())
    with reading(settings.mart_path) as con:
        return read_history(con, through=through)


class _Progress:
    """Tells the run's log how far it is, at most every two seconds: each log entry costs a write."""

    def __init__(self, context: dg.AssetExecutionContext, total: int) -> None:
        self._context = context
        self._total = total
        self._finished = 0
        self._told_at = 0.0

    def count(self, record: SessionRecord) -> None:
        self._finished += 1
        if time.monotonic() - self._told_at >= _PROGRESS_SECONDS:
            self._told_at = time.monotonic()
            self._context.log.info(
                f"{self._finished} of {self._total} model-days finished; newest: {record.model} on {record.date}, "
                f"{len(record.actions)} trades, {record.end_reason}"
            )


def _cell(record: SessionRecord) -> Cell:
    return Cell(record.date, record.model)


def _session_metadata(record: SessionRecord) -> dict[str, Any]:
    return {
        "trades": len(record.actions),
        "refused_orders": len(record.refusals),
        "end_reason": record.end_reason,
        "cash": float(record.end.cash),
        "model_calls": len(record.calls),
        **_inference(record),
        **report_metadata(record),
        "content_hash": record.content_hash,
    }


def _inference(record: SessionRecord) -> dict[str, int | float]:
    """Totals of the model calls; what one of them does not know is left out."""
    totals: dict[str, int | float] = {}
    for name in ("input_tokens", "output_tokens", "cost_usd"):
        known = [value for call in record.calls if (value := getattr(call, name)) is not None]
        if known and len(known) == len(record.calls):
            totals[name] = sum(known)
    return totals
