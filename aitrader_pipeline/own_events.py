"""Assets that report each of their partitions themselves."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from dagster._core.storage.tags import EXTERNALLY_MANAGED_ASSETS_TAG


@contextmanager
def own_events(context: dg.AssetExecutionContext) -> Iterator[None]:
    """While this is open, an output of the step reports no partition by itself.

    Dagster reports the partitions of a range together, all of them, when the step is done. What takes hours may
    fail in the middle: the asset reports each partition when it is finished, and only those.
    """
    tags = context.run.tags
    if not isinstance(tags, dict):
        raise TypeError("a run's tags cannot be changed any more: see how Dagster defers asset events now")
    tags[EXTERNALLY_MANAGED_ASSETS_TAG] = "true"
    try:
        yield
    finally:
        del tags[EXTERNALLY_MANAGED_ASSETS_TAG]
