"""Dagster's SQLite event log, with the events of a batch written together.

Dagster hands the events of many partitions over as one batch, which its Postgres storage writes in one go and
its SQLite storage one by one, with two connections and two commits each. Here a batch takes two transactions.
"""

import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, Self

from dagster._core.events import ASSET_EVENTS
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.sql import create_engine
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import NullPool

# Dagster collects a batch only where this variable says how many events it may hold.
BATCH_SIZE_VARIABLE = "DAGSTER_EVENT_BATCH_SIZE"
BATCH_SIZE = 1000
_ENGINES_KEPT = 8


class BatchingSqliteEventLogStorage(SqliteEventLogStorage):
    """``SqliteEventLogStorage`` whose batches are batches, and whose statements are compiled once."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        """Open the log in the folder ``base_dir``."""
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        """A transaction on a database; its engine is kept, where Dagster makes one for every statement."""
        with self._db_lock:
            engine = self._engine_of(shard)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    def _engine_of(self, shard: str) -> Engine:
        if shard not in self._engines:
            # No connection outlives its transaction: the file belongs to whoever asks next.
            self._engines[shard] = create_engine(
                self.conn_string_for_shard(shard),
                poolclass=NullPool,
                connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS},
            )
            if len(self._engines) > _ENGINES_KEPT:
                self._engines.popitem(last=False)
        self._engines.move_to_end(shard)
        return self._engines[shard]

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store events together; what is no asset event, as that a check is planned, goes the usual way."""
        for (_, of_assets), neighbours in groupby(events, lambda event: (event.run_id, _is_asset_event(event))):
            if of_assets:
                self._store_asset_events(list(neighbours))
            else:
                super().store_event_batch(list(neighbours))

    def _store_asset_events(self, events: Sequence[EventLogEntry]) -> None:
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
