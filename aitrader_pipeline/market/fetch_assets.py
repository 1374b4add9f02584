"""Assets of the room `market` around the bars: what vendors answered, and which bars are there."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence

import dagster as dg
from dagster_duckdb import DuckDBResource
from pydantic import Field

from aitrader_pipeline.automation.conditions import WHEN_UPSTREAM_CHANGED
from aitrader_pipeline.catalog import COVERAGE, MART_POOL, OWNERS, PRICES, RAW_PRICES, table_metadata
from aitrader_pipeline.config import Settings
from aitrader_pipeline.interruption import run_interruptibly
from aitrader_pipeline.market.answers import note_fetched, note_kept
from aitrader_pipeline.market.arena_source import arena_vendor, raw_answers
from aitrader_pipeline.market.assets import GROUP
from aitrader_pipeline.market.coverage import missing_sessions, rebuild_coverage, stored_symbols
from aitrader_pipeline.market.fetching import FailedAsk, Fetched, fetch_all
from aitrader_pipeline.market.vendors import RawAnswer, Vendor
from aitrader_pipeline.market.wanted import wanted_bars
from aitrader_pipeline.own_events import own_events
from aitrader_pipeline.partitions import raw_price_partitions
from aitrader_pipeline.store.mart import writing
from aitrader_pipeline.store.staging import row_count

_LISTED = 50

# Told of what has become of the asks so far, after each of them and at the end.
OnFetch = Callable[[Fetched], None]


class FetchConfig(dg.Config):
    """What is fetched; the default is what is missing.

    Attributes:
        symbols: only these; empty is all of the selected partitions.
        again: ask for everything that is wanted, whether it is there or not.
        start: the first session, YYYY-MM-DD; empty is the first that is wanted.
        end: the last session.
        retry_failed: ask at once for what has failed within a day.
    """

    symbols: list[str] = Field(default=[])
    again: bool = False
    start: str = ""
    end: str = ""
    retry_failed: bool = True


def fetch_assets(settings: Settings, on_fetch: OnFetch) -> list[dg.AssetsDefinition]:
    """The assets of a vendor's answers, where the config names a vendor, and of the coverage."""
    vendor_assets = [_raw_prices(settings, on_fetch)] if settings.config.market.is_vendor else []

    @dg.asset(
        name=COVERAGE,
        group_name=GROUP,
        owners=OWNERS,
        kinds={"duckdb", "sql"},
        pool=MART_POOL,
        deps=[PRICES],
        metadata=table_metadata("coverage"),
        automation_condition=WHEN_UPSTREAM_CHANGED,
    )
    def coverage(duckdb: DuckDBResource) -> dg.MaterializeResult[None]:
        """Which of the bars that the arena needs are there, by symbol and span of sessions."""
        with writing(duckdb) as con:
            wanted = wanted_bars(settings.config, dt.datetime.now(dt.UTC), stored_symbols(con))
            counts = rebuild_coverage(con, wanted)
            rows = row_count(con, "coverage")
        return dg.MaterializeResult(metadata={"dagster/row_count": rows, "symbols": len(wanted.symbols), **counts})

    return [*vendor_assets, coverage]


def _raw_prices(settings: Settings, on_fetch: OnFetch) -> dg.AssetsDefinition:
    market = settings.config.market

    @dg.asset(
        name=RAW_PRICES,
        group_name=GROUP,
        owners=OWNERS,
        kinds={market.source},
        pool=f"prices_{market.source}",
        partitions_def=raw_price_partitions(settings),
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def raw_prices(
        context: dg.AssetExecutionContext, config: FetchConfig, duckdb: DuckDBResource
    ) -> Iterator[dg.MaterializeResult[None]]:
        """What the vendor answered, as it came. Fetches what is missing of the selected partitions.

        A limit ends the batch: what came is kept, what is left is fetched by the next run. Partitions of which
        something failed or is left are not materialised; they have an observation with the error.
        """
        vendor = arena_vendor(settings, to_ask=True)
        keys = set(context.partition_keys)
        with writing(duckdb) as con:
            note_kept(con, vendor.name, raw_answers(settings))
            now = dt.datetime.now(dt.UTC)
            wanted = wanted_bars(settings.config, now)
            owed = missing_sessions(con, wanted, vendor.name, now, retry_failed=True)
            to_ask = owed if config.retry_failed else missing_sessions(con, wanted, vendor.name, now)
        gaps = wanted.by_symbol() if config.again else to_ask
        by_session = vendor.answers_by == "session"
        fetched = Fetched(vendor.asks(selected(gaps, keys, config, by_session=by_session)))

        def came(answer: RawAnswer) -> None:
            context.log_event(_event(answer, keys))

        def failed(failure: FailedAsk) -> None:
            context.log_event(
                dg.AssetObservation(
                    RAW_PRICES, partition=_partition(failure.ask.key, keys), metadata={"error": failure.error}
                )
            )

        with own_events(context):
            ask(context, settings, duckdb, vendor, fetched, on_fetch, on_answer=came, on_failure=failed)
            refuse_key(fetched)
            # A session that is not over has nothing to fetch yet.
            selected_keys = keys & set(map(str, wanted.sessions)) if by_session else keys
            lacking = {str(date) if by_session else symbol for symbol, dates in owed.items() for date in dates}
            asked = {_partition(one.key, keys) for one in fetched.asks}
            for key in sorted(selected_keys - lacking - asked):
                context.log_event(
                    dg.AssetMaterialization(RAW_PRICES, partition=key, metadata={"nothing_missing": True})
                )
            yield dg.MaterializeResult()

    return raw_prices


def ask(
    context: dg.AssetExecutionContext,
    settings: Settings,
    mart: DuckDBResource,
    vendor: Vendor,
    fetched: Fetched,
    on_fetch: OnFetch,
    *,
    on_answer: Callable[[RawAnswer], None] = lambda _: None,
    on_failure: Callable[[FailedAsk], None] = lambda _: None,
) -> None:
    """Make the calls: each answer is kept as it comes, and what became of them is noted, whatever ends them."""
    context.log.info(f"{len(fetched.asks)} calls of {vendor.name} to make")

    def came(answer: RawAnswer) -> None:
        on_fetch(fetched)
        on_answer(answer)

    def failed(failure: FailedAsk) -> None:
        on_fetch(fetched)
        on_failure(failure)
        context.log.warning(failure.error)

    try:
        run_interruptibly(fetch_all(vendor, fetched, raw_answers(settings), on_answer=came, on_failure=failed))
    finally:
        on_fetch(fetched)
        with writing(mart) as con:
            note_fetched(con, vendor.name, fetched)


def selected(
    gaps: Mapping[str, Sequence[dt.date]], keys: set[str], config: FetchConfig, *, by_session: bool
) -> Mapping[str, Sequence[dt.date]]:
    """The gaps of the selected partitions and dates."""
    first = dt.date.fromisoformat(config.start) if config.start else dt.date.min
    last = dt.date.fromisoformat(config.end) if config.end else dt.date.max

    def is_selected(date: dt.date) -> bool:
        return first <= date <= last and (not by_session or date.isoformat() in keys)

    return {
        symbol: [date for date in dates if is_selected(date)]
        for symbol, dates in gaps.items()
        if (by_session or symbol in keys) and (not config.symbols or symbol in config.symbols)
    }


def _partition(asked_for: str, keys: set[str]) -> str | None:
    """The partition that a call is about: one about a company's actions belongs to its symbol, some to none."""
    about = asked_for.partition("@")[0]
    return about if about in keys else None


def _event(answer: RawAnswer, keys: set[str]) -> dg.AssetMaterialization | dg.AssetObservation:
    """What Dagster is told of an answer; a backfill fails where a materialisation is of no partition."""
    partition = _partition(answer.key, keys)
    metadata: dict[str, str | int | dg.MetadataValue] = {
        "asked_for": answer.key,
        "sessions": f"{answer.first} to {answer.last}",
        "fetched_at": dg.MetadataValue.timestamp(answer.fetched_at),
        "file": answer.file,
        "sha256": answer.sha256,
        "bytes": len(answer.body),
    }
    if partition is None:
        return dg.AssetObservation(RAW_PRICES, metadata=metadata)
    return dg.AssetMaterialization(RAW_PRICES, partition=partition, metadata=metadata)


def refuse_key(fetched: Fetched) -> None:
    """End the step where the vendor has refused the key.

    Raises:
        dagster.Failure: it has.
    """
    if fetched.key_refused:
        raise dg.Failure(fetched.ended_by, allow_retries=False)


def result_metadata(fetched: Fetched) -> dict[str, int | str | dg.MetadataValue]:
    """What became of the calls."""
    return {
        "calls": len(fetched.asks),
        "answers": len(fetched.answers),
        "failed": len(fetched.failed),
        "left": len(fetched.left),
        "ended_by": fetched.ended_by or "",
        "failures": dg.MetadataValue.json([failure.error for failure in fetched.failed[:_LISTED]]),
    }
