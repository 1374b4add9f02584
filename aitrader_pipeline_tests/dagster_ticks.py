"""What the daemon and the server do with an arena: they store runs and backfills, and tick what is automatic."""

import datetime as dt
import shutil
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import dagster as dg
from dagster._core.definitions.schedule_definition import ScheduleExecutionData
from dagster._core.definitions.sensor_definition import SensorExecutionData
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin

from aitrader_pipeline.catalog import BOARDS, BOOKS, SESSIONS
from aitrader_pipeline.definitions import build_definitions
from aitrader_pipeline.partitions import Block
from aitrader_pipeline.trading.chains import Cell
from aitrader_pipeline_tests.arena_homes import QUIET, ArenaHome
from aitrader_pipeline_tests.markets import cells_of, day

EVERYTHING = (SESSIONS, *BOOKS, *BOARDS)
_LOCATION = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("aitrader"), "__repository__")


def copy_of(arena: ArenaHome, folder: Path) -> ArenaHome:
    """An arena of its own with all that another one has done so far."""
    shutil.copytree(arena.folder, folder, dirs_exist_ok=True)
    return ArenaHome(folder, {"AITRADER_CONFIG": str(folder / "config.json")})


def block_of(models: Sequence[str], days: Sequence[str]) -> Block:
    """The rectangle of models that are neighbours over the days from the first to the last."""
    return Block(day(days[0]), day(days[-1]), tuple(models))


def trade(arena: ArenaHome, models: Sequence[str], days: Sequence[str]) -> None:
    """Run the sessions of a rectangle, and nothing that follows from them."""
    result = arena.materialise(SESSIONS, tags=block_of(models, days).tags())
    if not result.success:
        raise AssertionError(f"{models} over {days} failed")


def add_run(
    instance: dg.DagsterInstance,
    block: Block | None,
    status: dg.DagsterRunStatus = dg.DagsterRunStatus.QUEUED,
    *,
    assets: Sequence[str] = EVERYTHING,
    retries: dg.DagsterRun | None = None,
    tags: Mapping[str, str] = MappingProxyType({}),
) -> dg.DagsterRun:
    """Store a run that somebody has launched over a rectangle; nobody runs it."""
    root = (retries.root_run_id or retries.run_id) if retries else None
    inherited = {**retries.tags, "dagster/root_run_id": str(root)} if retries else {}
    return instance.add_run(
        dg.DagsterRun(
            job_name="__ASSET_JOB",
            run_id=str(uuid.uuid4()),
            status=status,
            tags={**inherited, **(block.tags() if block else {}), **tags},
            asset_selection=frozenset(dg.AssetKey(asset) for asset in assets),
            root_run_id=root,
            parent_run_id=retries.run_id if retries else None,
            remote_job_origin=_LOCATION.get_job_origin("__ASSET_JOB"),
        )
    )


def add_backfill(
    arena: ArenaHome, instance: dg.DagsterInstance, cells: Iterable[Cell], backfill_id: str
) -> PartitionBackfill:
    """What the server stores when a user launches a backfill of these cells from the page of the sessions."""
    backfill = PartitionBackfill.from_asset_partitions(
        backfill_id=backfill_id,
        asset_graph=build_definitions(arena.settings).resolve_asset_graph(),
        partition_names=sorted(map(str, cells)),
        asset_selection=[dg.AssetKey(SESSIONS)],
        backfill_timestamp=time.time(),
        tags={},
        dynamic_partitions_store=instance,
        all_partitions=False,
        title=None,
        description=None,
        run_config=None,
    )
    instance.add_backfill(backfill)
    return backfill


def end_backfill(instance: dg.DagsterInstance, backfill: PartitionBackfill, status: BulkActionStatus) -> None:
    """What the daemon stores when a backfill is over."""
    instance.update_backfill(backfill._replace(status=status))


def sensor_of(definitions: dg.Definitions, name: str) -> dg.SensorDefinition:
    """A sensor by its name."""
    (sensor,) = (found for found in definitions.sensors or () if found.name == name)
    if not isinstance(sensor, dg.SensorDefinition):
        raise TypeError(f"{name} is no sensor")
    return sensor


def sensor_tick(
    arena: ArenaHome, instance: dg.DagsterInstance, name: str, cursor: str | None = None
) -> SensorExecutionData:
    """One tick of a sensor; Dagster checks what it asks for against the definitions."""
    definitions = build_definitions(arena.settings)
    sensor = sensor_of(definitions, name)
    context = dg.build_sensor_context(instance, cursor=cursor, definitions=definitions, sensor_name=name)
    return sensor.evaluate_tick(context)


def the_schedule(arena: ArenaHome) -> dg.ScheduleDefinition:
    """The arena's only schedule."""
    (schedule,) = build_definitions(arena.settings).schedules or ()
    if not isinstance(schedule, dg.ScheduleDefinition):
        raise TypeError("the schedule waits for its partitions to be resolved")
    return schedule


def schedule_tick(arena: ArenaHome, instance: dg.DagsterInstance, moment: dt.datetime) -> ScheduleExecutionData:
    """One tick of the schedule at a moment that it was due."""
    definitions = build_definitions(arena.settings)
    context = dg.build_schedule_context(
        instance, scheduled_execution_time=moment, repository_def=definitions.get_repository_def()
    )
    return the_schedule(arena).evaluate_tick(context)


def asked_for(requests: Iterable[dg.RunRequest], arena: ArenaHome) -> list[Cell]:
    """The model-days that run requests ask for, as often as they do; read from the tags as Dagster reads them."""
    grid = build_definitions(arena.settings).resolve_asset_graph().get(dg.AssetKey(SESSIONS)).partitions_def
    if not isinstance(grid, dg.MultiPartitionsDefinition):
        raise TypeError("sessions have no grid")
    cells: list[Cell] = []
    for request in requests:
        ends = (request.tags[f"dagster/asset_partition_range_{end}"] for end in ("start", "end"))
        keys = grid.get_partition_keys_in_range(dg.PartitionKeyRange(*ends))
        for key in keys:
            date, _, model = str(key).partition("|")
            cells += cells_of(model, date)
    return sorted(cells)


def assets_of(request: dg.RunRequest) -> set[str]:
    """The assets that a request selects."""
    return {key.to_user_string() for key in request.asset_selection or ()}


def launch(arena: ArenaHome, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
    """Run what a tick asked for, as the daemon would: with its assets, tags and config."""
    with arena.instance() as instance:
        job = build_definitions(arena.settings).resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            run_config={**QUIET, **request.run_config},
            instance=instance,
            asset_selection=list(request.asset_selection or ()),
            tags=dict(request.tags),
            raise_on_error=False,
        )
