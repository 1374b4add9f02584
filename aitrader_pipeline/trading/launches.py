"""Launches: what a run belongs to. The only place that looks into Dagster's own records of backfills.

Dagster may cut one backfill of few days and many models into a run per day and start them in any order
(dagster#23996), so a run has to know which earlier days its own launch still owes.
"""

import dagster as dg
from dagster._core.storage.tags import BACKFILL_ID_TAG

from aitrader_pipeline.partitions import cell_of
from aitrader_pipeline.trading.chains import Cell


def launch_of(context: dg.AssetExecutionContext) -> str:
    """The id that all runs, and all retries, of one user action share."""
    return context.run.tags.get(BACKFILL_ID_TAG) or context.run.root_run_id or context.run.run_id


def cells_of_launch(context: dg.AssetExecutionContext) -> frozenset[Cell]:
    """Every cell that the user action asked for: an asset backfill, a job backfill, or just this run."""
    keys = list(context.partition_keys)
    if backfill_id := context.run.tags.get(BACKFILL_ID_TAG):
        backfill = context.instance.get_backfill(backfill_id)
        if backfill and backfill.partition_names:
            keys = list(backfill.partition_names)
        elif backfill and backfill.asset_backfill_data:
            subset = backfill.asset_backfill_data.target_subset.get_partitions_subset(context.asset_key)
            keys = list(subset.get_partition_keys())
    return frozenset(cell_of(key) for key in keys)
