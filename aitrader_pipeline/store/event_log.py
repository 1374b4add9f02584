"""Dagster's SQLite event log, with the events of a batch written together.

Dagster hands the events of many partitions over as one batch, which its Postgres storage writes in one go and
its SQLite storage one by one, with two connections and two commits each. Here a batch takes two transactions.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from dagster._core.events import ASSET_EVENTS
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._serdes import ConfigurableClassData

# Dagster collects a batch only where this variable says how many events it may hold.
BATCH_SIZE_VARIABLE = "DAGSTER_EVENT_BATCH_SIZE"
BATCH_SIZE = 1000


class BatchingSqliteEventLogStorage(SqliteEventLogStorage):
    """``SqliteEventLogStorage`` whose batches are batches."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        """Open the log in the folder ``base_dir``."""
        return cls(inst_data=inst_data, **config_value)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store events together; a batch that is not all asset events of one run goes the usual way."""
        if len({e.run_id for e in events}) != 1 or not all(_is_asset_event(e) for e in events):
            super().store_event_batch(events)
            return
        with self.run_connection(events[0].run_id) as run_log:
            for event in events:
                run_log.execute(self.prepare_insert_event(event))
        with self.index_transaction() as index:
            ids = [index.execute(self.prepare_insert_event(event)).lastrowid for event in events]
            self._store_asset_event_tags(index, events, ids)
            # The table of assets keeps the newest event of each asset and kind, so only these are written.
            newest = {
                (e.get_dagster_event().asset_key, e.get_dagster_event().event_type_value): (e, i)
                for e, i in zip(events, ids, strict=True)
            }
            for event, event_id in newest.values():
                self._store_asset_event(index, event, event_id)


def event_log_section(home: Path) -> str:
    """The lines of a ``dagster.yaml`` that put this log into a Dagster home, where the usual one would be."""
    base_dir = json.dumps(str(home / "history" / "runs"))
    return f"""
event_log_storage:
  module: {BatchingSqliteEventLogStorage.__module__}
  class: {BatchingSqliteEventLogStorage.__name__}
  config:
    base_dir: {base_dir}
"""


def _is_asset_event(event: EventLogEntry) -> bool:
    return event.is_dagster_event and event.dagster_event_type in ASSET_EVENTS
