"""Assets of the room `trading`: the sessions, and their transcripts as tables."""

import datetime as dt
import time
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
from dagster_duckdb import DuckDBResource

from aitrader_pipeline.catalog import MART_POOL, OWNERS, SESSIONS, table_metadata
from aitrader_pipeline.config import Settings
from aitrader_pipeline.market.prices import read_history
from aitrader_pipeline.market.view import PriceHistory
from aitrader_pipeline.partitions import PREVIOUS_SESSION, Axes, calendar_of, cell_of, partition_key_of
from aitrader_pipeline.store.mart import reading, writing
from aitrader_pipeline.store.records import RecordStore
from aitrader_pipeline.store.staging import row_count
from aitrader_pipeline.trading.arena import Arena
from aitrader_pipeline.trading.chains import Cell, Order, Outcome, run_order
from aitrader_pipeline.trading.launches import cells_of_launch, launch_of, own_events
from aitrader_pipeline.trading.record import SessionRecord
from aitrader_pipeline.trading.transcripts import write_transcripts

GROUP = "trading"
_PROGRESS_SECONDS = 2.0

OnRecord = Callable[[SessionRecord], None]


class SessionsConfig(dg.Config):
    """How sessions are launched; the default replaces what is there, as a materialisation does."""

    keep_finished: bool = False


def sessions_config(*, keep_finished: bool) -> dict[str, Any]:
    """The run configuration of :class:`SessionsConfig`."""
    return {"ops": {SESSIONS: {"config": {"keep_finished": keep_finished}}}}


def trading_assets(settings: Settings, axes: Axes, on_record: OnRecord) -> list[dg.AssetsDefinition]:
    """The assets of this room; ``on_record`` is told of every finished model-day, for a progress bar."""

    @dg.asset(
        name=SESSIONS,
        group_name=GROUP,
        owners=OWNERS,
        kinds={"openai", "mcp"},
        partitions_def=axes.grid,
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=["prices", dg.AssetDep(SESSIONS, partition_mapping=PREVIOUS_SESSION)],
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
        )
        with own_events(context):
            outcome = _run(context, settings, order, on_record)
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

    return [agent_sessions, reasoning_logs]


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


def _run(context: dg.AssetExecutionContext, settings: Settings, order: Order, on_record: OnRecord) -> Outcome:
    history = _history(settings, through=max(cell.date for cell in order.cells))
    arena = Arena(settings.config, calendar_of(settings), history, RecordStore(settings.records_dir))
    progress = _Progress(context, len(order.cells))

    def finished(record: SessionRecord) -> None:
        context.log_event(
            dg.AssetMaterialization(
                context.asset_key, partition=partition_key_of(_cell(record)), metadata=_session_metadata(record)
            )
        )
        progress.count(record)
        on_record(record)

    return run_order(
        arena,
        order,
        on_record=finished,
        on_failure=lambda failure: context.log.error(str(failure)),
        on_wait=lambda model: context.log.info(f"waiting for another run that trades {model}"),
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


def _session_metadata(record: SessionRecord) -> dict[str, int | float | str]:
    return {
        "trades": len(record.actions),
        "refused_orders": len(record.refusals),
        "end_reason": record.end_reason,
        "cash": float(record.end.cash),
        "model_calls": len(record.calls),
        "content_hash": record.content_hash(),
    }
