"""Puts the rooms together: what Dagster loads."""

from functools import partial

import dagster as dg
from dagster_duckdb import DuckDBResource

from aitrader_pipeline.automation.abandoned import named_in_process_executor
from aitrader_pipeline.automation.fetching import fetching_schedules, fetching_sensors
from aitrader_pipeline.automation.schedules import arena_schedules
from aitrader_pipeline.automation.sensors import arena_sensors
from aitrader_pipeline.config import Settings, load_settings, read_dotenv
from aitrader_pipeline.market.assets import market_assets
from aitrader_pipeline.market.checks import market_checks
from aitrader_pipeline.market.fetch_assets import OnFetch, fetch_assets
from aitrader_pipeline.market.side_assets import side_assets
from aitrader_pipeline.partitions import axes_of
from aitrader_pipeline.performance.assets import performance_assets
from aitrader_pipeline.performance.checks import performance_checks
from aitrader_pipeline.ranking.assets import ranking_assets
from aitrader_pipeline.trading.assets import OnRecord, mark_what_held, mark_what_saw, trading_assets


def build_definitions(
    settings: Settings, on_record: OnRecord = lambda _: None, on_fetch: OnFetch = lambda _: None
) -> dg.Definitions:
    """The arena of a config as Dagster definitions.

    Args:
        settings: the config and the folder of runtime state.
        on_record: told of every model-day that a run in this process finishes.
        on_fetch: told of every call of a price vendor that a run in this process makes.
    """
    axes = axes_of(settings)
    return dg.Definitions(
        assets=[
            *market_assets(settings, partial(mark_what_saw, settings), partial(mark_what_held, settings)),
            *fetch_assets(settings, on_fetch),
            *side_assets(settings, on_fetch),
            *trading_assets(settings, axes, on_record),
            *performance_assets(settings, axes),
            *ranking_assets(settings),
        ],
        asset_checks=[*market_checks(settings), *performance_checks()],
        schedules=[*arena_schedules(settings, axes), *fetching_schedules(settings)],
        sensors=[*arena_sensors(settings, axes), *fetching_sensors(settings)],
        resources={"duckdb": DuckDBResource(database=str(settings.mart_path))},
        executor=named_in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """The active arena: ``AITRADER_CONFIG`` over ``AITRADER_HOME``."""
    read_dotenv()
    return build_definitions(load_settings())
