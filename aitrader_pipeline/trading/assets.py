"""Assets of the room `trading`: the sessions, and their transcripts as tables."""

import datetime as dt
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import dagster as dg
import duckdb
from dagster_duckdb import DuckDBResource

from aitrader_pipeline.catalog import (
    CORPORATE_ACTIONS,
    MART_POOL,
    OWNERS,
    PRICES,
    SESSION_INPUTS,
    SESSIONS,
    table_metadata,
)
from aitrader_pipeline.config import Settings
from aitrader_pipeline.market.actions_table import read_actions
from aitrader_pipeline.market.ex_dates import ExDates
from aitrader_pipeline.market.prices import read_history
from aitrader_pipeline.market.view import PriceHistory
from aitrader_pipeline.own_events import own_events
from aitrader_pipeline.partitions import PREVIOUS_SESSION, Axes, calendar_of, cell_of, partition_key_of
from aitrader_pipeline.store.mart import reading, writing
from aitrader_pipeline.store.records import RecordStore
from aitrader_pipeline.store.staging import row_count
from aitrader_pipeline.trading.arena import Arena
from aitrader_pipeline.trading.chains import Cell, Failure, Order, Outcome, run_order
from aitrader_pipeline.trading.decision_log import write_decisions
from aitrader_pipeline.trading.launches import (
    cells_of_launch,
    failure_event,
    launch_of,
    launched_at,
    newest_event,
    report_metadata,
)
from aitrader_pipeline.trading.leak_audit import LeakAudit
from aitrader_pipeline.trading.leak_tables import leaks_by_model, write_leaks
from aitrader_pipeline.trading.marks import Marks, mark
from aitrader_pipeline.trading.outdated import applies_otherwise, sees_otherwise, that_held, that_saw
from aitrader_pipeline.trading.record import SessionRecord
from aitrader_pipeline.trading.transcripts import write_transcripts

GROUP = "trading"
NO_LEAKS = "no_leaks"
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
        description="What a model-day is given: the book that it opens from, the bars that it sees, the corporate "
        "actions of what it holds. Observed where that has changed under a session that stands: it is stale.",
        group_name=GROUP,
        owners=OWNERS,
        kinds={"duckdb"},
        partitions_def=axes.grid,
        deps=[PRICES, CORPORATE_ACTIONS],
    )

    @dg.asset(
        name=SESSIONS,
        group_name=GROUP,
        owners=OWNERS,
        kinds={"openai", "mcp"},
        partitions_def=axes.grid,
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[
            PRICES,
            CORPORATE_ACTIONS,
            SESSION_INPUTS,
            dg.AssetDep(SESSIONS, partition_mapping=PREVIOUS_SESSION),
        ],
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

    @dg.multi_asset(
        name="transcripts",
        specs=[
            dg.AssetSpec(
                table,
                description=description,
                group_name=GROUP,
                owners=OWNERS,
                kinds={"duckdb"},
                deps=deps,
                metadata=table_metadata(table),
                partitions_def=axes.grid,
            )
            for table, description, deps in (
                (
                    "reasoning_logs",
                    "Every message of every session; beside it `tool_usage`, `llm_usage`, `leak_counts`.",
                    [SESSIONS],
                ),
                (
                    "decision_log",
                    "Every order with the text in which it was argued for, refused ones too, linked to its fill.",
                    [SESSIONS, PRICES],
                ),
            )
        ],
        check_specs=[
            dg.AssetCheckSpec(
                NO_LEAKS,
                asset="reasoning_logs",
                description="No transcript holds what was later than its session's open: `leak_findings`.",
            )
        ],
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=MART_POOL,
    )
    def transcripts(
        context: dg.AssetExecutionContext, duckdb: DuckDBResource
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        records, calendar = records_of(settings, context), calendar_of(settings)
        with writing(duckdb) as con:
            write_transcripts(con, records)
            write_decisions(con, records, calendar)
            write_leaks(con, records, LeakAudit(read_history(con), calendar.open_at))
            rows = {table: row_count(con, table) for table in ("reasoning_logs", "decision_log")}
            leaks = leaks_by_model(con)
        for table, count in rows.items():
            yield dg.MaterializeResult(asset_key=table, metadata={"dagster/row_count": count})
        yield _leak_check(leaks)

    return [session_inputs, agent_sessions, transcripts]


def _leak_check(leaks: Mapping[str, tuple[int, int]]) -> dg.AssetCheckResult:
    told, said = (sum(counts) for counts in zip(*leaks.values(), strict=True)) if leaks else (0, 0)
    return dg.AssetCheckResult(
        asset_key="reasoning_logs",
        check_name=NO_LEAKS,
        passed=not leaks,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "told": told,
            "said": said,
            "models": dg.MetadataValue.json({m: {"told": t, "said": s} for m, (t, s) in leaks.items()}),
        },
    )


def mark_what_saw(
    settings: Settings,
    context: dg.AssetExecutionContext,
    con: duckdb.DuckDBPyConnection,
    revised: Mapping[str, Sequence[dt.date]],
) -> int:
    """Mark the finished sessions that saw bars which are others now.

    Args:
        settings: the active arena.
        context: of the run that has loaded the bars.
        con: the mart with all bars and actions as they are now.
        revised: dates by symbol of the bars that may be others than they were.

    Returns:
        How many sessions are marked.
    """
    outdated = [_cell(record) for record in that_saw(revised, _arena_of(settings, con))]
    mark(context, outdated, "a bar that it saw is another now")
    return len(outdated)


def mark_what_held(
    settings: Settings,
    context: dg.AssetExecutionContext,
    con: duckdb.DuckDBPyConnection,
    revised: Mapping[str, Sequence[dt.date]],
) -> int:
    """Mark the finished sessions to whose holdings other corporate actions apply now; see `mark_what_saw`."""
    outdated = [_cell(record) for record in that_held(revised, _arena_of(settings, con))]
    mark(context, outdated, "a corporate action of what it held is another now")
    return len(outdated)


def _arena_of(settings: Settings, con: duckdb.DuckDBPyConnection) -> Arena:
    return Arena(
        settings.config,
        calendar_of(settings),
        read_history(con),
        RecordStore(settings.records_dir),
        actions=read_actions(con),
    )


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
    read_at, loaded = dt.datetime.now(dt.UTC), _newest_loads(context.instance)
    history, actions = _market(settings, through=last)
    arena = Arena(
        settings.config,
        calendar_of(settings),
        history,
        RecordStore(settings.records_dir),
        actions=actions,
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
    if _newest_loads(context.instance) != loaded:
        history, actions = _market(settings, through=last)
        now = replace(arena, history=history, actions=actions, _views=OrderedDict())
        records = ((cell, arena.records.read(cell.model, cell.date)) for cell in outcome.done)
        outdated = [
            cell
            for cell, record in records
            if record is not None and (sees_otherwise(record, now) or applies_otherwise(record, now))
        ]
        mark(context, outdated, "a bar that it saw or an action of what it held became another while it was run")
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


def _newest_loads(instance: dg.DagsterInstance) -> tuple[int, int]:
    return newest_event(instance, PRICES), newest_event(instance, CORPORATE_ACTIONS)


def _market(settings: Settings, through: dt.date) -> tuple[PriceHistory, ExDates]:
    """The stored bars and actions; none where `prices` was never materialised, which the sessions then say."""
    if not settings.mart_path.exists():
        return PriceHistory(()), ExDates()
    with reading(settings.mart_path) as con:
        return read_history(con, through=through), read_actions(con, through=through)


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
                f"{len(record.fills)} trades, {record.end_reason}"
            )


def _cell(record: SessionRecord) -> Cell:
    return Cell(record.date, record.model)


def _session_metadata(record: SessionRecord) -> dict[str, Any]:
    return {
        "trades": len(record.fills),
        "corporate_actions": len(record.events),
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
