"""Marks: how Dagster is told which finished sessions are stale, and which are not.

Dagster follows data versions, but not along an asset's dependency on itself (beyond a hundred partitions), and a
table without partitions is one version to it: a single added bar would outdate every session ever run. So what a
session was given is an asset of its own, observed only where it has changed under a session that stands.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from functools import cached_property

import dagster as dg
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
    DEFAULT_DATA_VERSION,
    NULL_EVENT_POINTER,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)

from aitrader_pipeline.catalog import CORPORATE_ACTIONS, PRICES, SESSION_INPUTS, SESSIONS
from aitrader_pipeline.market.assets import PRICES_VERSION
from aitrader_pipeline.partitions import cell_of, partition_key_of
from aitrader_pipeline.trading.chains import Cell
from aitrader_pipeline.trading.record import SessionRecord

_INPUTS = dg.AssetKey(SESSION_INPUTS)
_SESSIONS = dg.AssetKey(SESSIONS)
_POINTER = get_input_event_pointer_tag(_INPUTS)
# Before every mark there can be: with no pointer at all Dagster compares the newest mark with itself.
_BEFORE_ALL = 1


class Marks:
    """The marks of an instance.

    Args:
        instance: the Dagster instance.
        as_of: when the bars were read that sessions are being run on; a later mark is news to them.
    """

    def __init__(self, instance: dg.DagsterInstance, as_of: dt.datetime | None = None) -> None:
        self._instance = instance
        self._as_of = as_of

    @cached_property
    def _newest(self) -> Mapping[str, int]:
        return self._instance.get_latest_storage_id_by_partition(_INPUTS, dg.DagsterEventType.ASSET_OBSERVATION)

    def stale(self) -> frozenset[Cell]:
        """Finished sessions that were marked and have not been run since."""
        return frozenset(cell_of(key) for key, mark in self._newest.items() if self._pointer(key) < mark)

    def _pointer(self, key: str) -> int:
        """The newest mark that a session knew of when it was run."""
        newest = self._instance.fetch_materializations(
            dg.AssetRecordsFilter(_SESSIONS, asset_partitions=[key]), limit=1
        ).records
        tags = newest[0].asset_materialization.tags if newest and newest[0].asset_materialization else None
        return int((tags or {}).get(_POINTER, _BEFORE_ALL))

    def provenance(self, record: SessionRecord) -> dict[str, str]:
        """The tags of a session's materialisation: its data version, and those of what it was made from."""
        opened = record.opened_from
        given = {
            PRICES: (PRICES_VERSION, NULL_EVENT_POINTER),
            CORPORATE_ACTIONS: (PRICES_VERSION, NULL_EVENT_POINTER),
            SESSIONS: (opened.hash if opened and opened.hash else DEFAULT_DATA_VERSION.value, NULL_EVENT_POINTER),
            SESSION_INPUTS: (DEFAULT_DATA_VERSION.value, str(self._known_to(record))),
        }
        tags = {
            DATA_VERSION_TAG: record.content_hash,
            DATA_VERSION_IS_USER_PROVIDED_TAG: "true",
            CODE_VERSION_TAG: str(record.schema_version),
        }
        for asset, (version, pointer) in given.items():
            tags[get_input_data_version_tag(dg.AssetKey(asset))] = version
            tags[get_input_event_pointer_tag(dg.AssetKey(asset))] = pointer
        return tags

    def _known_to(self, record: SessionRecord) -> int:
        """The newest mark of a session that is older than what it was run on."""
        key = partition_key_of(Cell(record.date, record.model))
        if key not in self._newest:
            return _BEFORE_ALL
        until = min(record.started_at, self._as_of or record.started_at).timestamp()
        marks = self._instance.fetch_observations(
            dg.AssetRecordsFilter(_INPUTS, asset_partitions=[key]), limit=1
        ).records
        return next((mark.storage_id for mark in marks if mark.timestamp < until), _BEFORE_ALL)


def mark(context: dg.AssetExecutionContext, cells: Iterable[Cell], reason: str) -> None:
    """Tell Dagster that finished sessions would be given something else today.

    Args:
        context: of the run that has changed it.
        cells: the sessions.
        reason: what has changed, for people.
    """
    for cell in cells:
        context.log_event(
            dg.AssetObservation(
                _INPUTS,
                partition=partition_key_of(cell),
                metadata={"changed": reason},
                tags={DATA_VERSION_TAG: context.run.run_id},
            )
        )
