"""The batching event log tells the same story as Dagster's own, in fewer transactions."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as db
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log import SqliteEventLogStorage
from pydantic import Field

from aitrader_pipeline.store.event_log import (
    BATCH_SIZE,
    BATCH_SIZE_VARIABLE,
    BatchingSqliteEventLogStorage,
    event_log_section,
)

GRID = dg.MultiPartitionsDefinition(
    {
        "date": dg.DailyPartitionsDefinition("2025-10-01", end_date="2025-10-11"),
        "model": dg.StaticPartitionsDefinition(["a", "b"]),
    }
)
KEYS = GRID.get_partition_keys()
SESSIONS, TABLE = dg.AssetKey("sessions"), dg.AssetKey("table")
OWN_YAML = "telemetry: {enabled: false}\n"
BATCHING, OWN = "batching", "own"
PLANNED = (dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED, dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED)


class FailAt(dg.Config):
    """The partitions that fail."""

    fails: list[str] = Field(default_factory=list)


@dg.asset(name="sessions", partitions_def=GRID, backfill_policy=dg.BackfillPolicy.single_run())
def sessions_asset(context: dg.AssetExecutionContext, config: FailAt) -> Iterator[Any]:
    """Some of its partitions may fail; then it says what is done and raises."""
    done = [key for key in context.partition_keys if key not in config.fails]
    if len(done) < len(context.partition_keys):
        for key in done:
            yield dg.AssetMaterialization(context.asset_key, partition=key, metadata={"key": key})
        raise dg.Failure("some failed", allow_retries=False)
    for key in done:
        context.add_asset_metadata({"key": key}, partition_key=key)
    yield dg.MaterializeResult()


@dg.asset(name="table", deps=[sessions_asset])
def table_asset() -> dg.MaterializeResult[None]:
    """Has no partitions."""
    return dg.MaterializeResult(metadata={"rows": 20})


@dg.asset_check(asset="table", name="adds_up")
def adds_up() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


@dataclass(frozen=True)
class Home:
    """An instance and the runs that it saw."""

    instance: dg.DagsterInstance
    run_ids: list[str]

    @property
    def log(self) -> Any:
        return self.instance.event_log_storage


@pytest.fixture
def open_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Opens an instance the way the server does: from the dagster.yaml in its home."""
    monkeypatch.setenv(BATCH_SIZE_VARIABLE, str(BATCH_SIZE))

    @contextmanager
    def opened(kind: str) -> Iterator[Home]:
        folder = tmp_path / kind
        folder.mkdir(exist_ok=True)
        (folder / "dagster.yaml").write_text(
            OWN_YAML + (event_log_section(folder) if kind.startswith(BATCHING) else "")
        )
        monkeypatch.setenv("DAGSTER_HOME", str(folder))
        with dg.DagsterInstance.from_config(str(folder)) as instance:
            yield Home(instance, [])

    return opened


def run(home: Home, keys: Sequence[str] = KEYS, fails: Sequence[str] = ()) -> None:
    """Materialize a range of cells, and what is computed from them, in one run."""
    ranges = {"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[-1]}
    job = dg.Definitions(
        assets=[sessions_asset, table_asset],
        asset_checks=[adds_up],
        jobs=[dg.define_asset_job("all", executor_def=dg.in_process_executor)],
    ).resolve_job_def("all")
    result = job.execute_in_process(
        instance=home.instance,
        tags=ranges,
        run_config={"ops": {"sessions": {"config": {"fails": list(fails)}}}},
        raise_on_error=False,
    )
    assert result.success is not bool(fails)
    home.run_ids.append(result.run_id)


def run_three(home: Home) -> None:
    """All cells; then two of the first four fail; then one model of these is run again."""
    run(home)
    run(home, KEYS[:4], fails=KEYS[:2])
    run(home, KEYS[1:4:2])


def story(home: Home) -> dict[str, Any]:
    """Everything of the log that the UI and the assets ask for, without run ids and times."""
    instance, number = home.instance, {run_id: at for at, run_id in enumerate(home.run_ids)}
    latest = instance.get_latest_materialization_event(SESSIONS)
    assert latest is not None
    found: dict[str, Any] = {
        "materialized": sorted(instance.get_materialized_partitions(SESSIONS)),
        "status": {
            key: status and status.value
            for key, status in (instance.get_status_by_partition(SESSIONS, KEYS, GRID) or {}).items()
        },
        "latest": (number[latest.run_id], _partition(latest)),
        "latest by partition": {
            key: _place(home, storage_id)
            for key, storage_id in home.log.get_latest_storage_id_by_partition(
                SESSIONS, dg.DagsterEventType.ASSET_MATERIALIZATION
            ).items()
        },
        "tags by partition": {
            **home.log.get_latest_tags_by_partition(
                SESSIONS, dg.DagsterEventType.ASSET_MATERIALIZATION, ["dagster/partition/date"]
            )
        },
        "asset keys": sorted(key.to_user_string() for key in instance.all_asset_keys()),
        "run logs": [[_shown(entry) for entry in instance.all_logs(run_id)] for run_id in home.run_ids],
        "run states": [run.status.value for run in map(instance.get_run_by_id, home.run_ids) if run],
    }
    with home.log.index_connection() as con:
        rows = con.execute(db.text("SELECT asset_key, last_materialization, last_run_id FROM asset_keys")).all()
    found["table of assets"] = {
        key: (_placed(home, dg.deserialize_value(event, dg.EventLogRecord).event_log_entry), number[run_id])
        for key, event, run_id in rows
    }
    for key in (SESSIONS, TABLE):
        record = instance.get_asset_records([key])[0]
        entry = record.asset_entry
        materialization = entry.last_materialization_record
        planned = entry.last_planned_materialization_storage_id
        found[f"entry of {key.to_user_string()}"] = (
            entry.last_run_id and number[entry.last_run_id],
            materialization and _place(home, materialization.storage_id),
            planned and _place(home, planned),
        )
        history = instance.fetch_materializations(key, limit=1000).records
        found[f"history of {key.to_user_string()}"] = [
            (number[event.run_id], event.partition_key, dict(_metadata(event.event_log_entry)))
            for event in history
        ]
    return found


def _place(home: Home, storage_id: int) -> tuple[int, str | None, str]:
    """Which event an id of the index stands for: its run, partition and type."""
    with home.log.index_connection() as con:
        text = con.execute(db.text("SELECT event FROM event_logs WHERE id = :id"), {"id": storage_id}).scalar_one()
    return _placed(home, dg.deserialize_value(text, EventLogEntry))


def _placed(home: Home, entry: EventLogEntry) -> tuple[int, str | None, str]:
    return home.run_ids.index(entry.run_id), _partition(entry), entry.get_dagster_event().event_type_value


def _partition(entry: EventLogEntry) -> str | None:
    return entry.get_dagster_event().partition


def _metadata(entry: EventLogEntry) -> dict[str, Any]:
    assert entry.asset_materialization is not None
    return {name: value.value for name, value in entry.asset_materialization.metadata.items()}


def _shown(entry: EventLogEntry) -> tuple[str | None, str | None]:
    if not entry.is_dagster_event:
        return None, None
    event = entry.get_dagster_event()
    return event.event_type_value, event.partition if event.asset_key else None


@contextmanager
def counted_commits() -> Iterator[Counter[str]]:
    """Counts the transactions that SQLAlchemy commits, in whatever database."""
    counts: Counter[str] = Counter()

    def count(_connection: db.Connection) -> None:
        counts["commit"] += 1

    db.event.listen(db.Engine, "commit", count)
    try:
        yield counts
    finally:
        db.event.remove(db.Engine, "commit", count)


def test_dagster_yaml_names_the_storage_and_its_files_lie_in_the_home(
    open_home: Callable[[str], Any], tmp_path: Path
) -> None:
    with open_home(BATCHING) as home:
        assert type(home.log) is BatchingSqliteEventLogStorage
        run(home)
        files = {path.name for path in (tmp_path / BATCHING / "history" / "runs").glob("*.db")}
        assert files == {"index.db", f"{home.run_ids[0]}.db"}
    with open_home(OWN) as home:
        assert type(home.log) is SqliteEventLogStorage


def test_a_log_that_dagster_began_is_carried_on(open_home: Callable[[str], Any], tmp_path: Path) -> None:
    with open_home(OWN) as home:
        run(home, KEYS[:4])
    (tmp_path / OWN).rename(tmp_path / BATCHING)
    with open_home(BATCHING) as home:
        run(home, KEYS[4:8])
        assert sorted(home.instance.get_materialized_partitions(SESSIONS)) == sorted(KEYS[:8])


@pytest.mark.timeout(300)
def test_runs_are_told_as_dagsters_own_storage_tells_them(open_home: Callable[[str], Any]) -> None:
    stories = {}
    for kind in (OWN, BATCHING):
        with open_home(kind) as home:
            run_three(home)
            stories[kind] = story(home)
    assert len(KEYS) == 20
    assert stories[OWN]["materialized"] == sorted(KEYS)
    assert Counter(stories[OWN]["status"].values()) == {"MATERIALIZED": 19, "FAILED": 1}
    assert Counter(kind for kind, _ in stories[OWN]["run logs"][0])["ASSET_MATERIALIZATION"] == 21
    for part, told in stories[OWN].items():
        assert stories[BATCHING][part] == told, part


def test_a_batch_takes_two_transactions_whatever_its_size(open_home: Callable[[str], Any]) -> None:
    commits = {}
    for kind in (OWN, BATCHING):
        with open_home(kind) as home, counted_commits() as counts:
            run(home)
            commits[kind] = counts["commit"]
    # Dagster's storage commits each event twice, to the run's log and to the index: here the 20 materializations,
    # and that these and the table are planned.
    assert commits[OWN] - commits[BATCHING] == (2 * 20 - 2) + (2 * 21 - 2)


def test_checks_that_are_planned_with_assets_do_not_tear_their_batch(open_home: Callable[[str], Any]) -> None:
    """Dagster plans both in one batch, whenever it launches assets that are checked."""
    with open_home(OWN) as home:
        run(home)
        entries = home.instance.all_logs(home.run_ids[0])
    assets, checks = ([entry for entry in entries if entry.dagster_event_type is kind] for kind in PLANNED)
    assert len(assets) > 20
    assert len(checks) == 1
    commits = []
    for batch in ([*assets, *checks], checks):
        with open_home(f"{BATCHING} {len(batch)}") as home, counted_commits() as counts:
            home.log.store_event_batch(batch)
            assert home.instance.all_logs(batch[0].run_id) == batch
            commits.append(counts["commit"])
    assert commits[0] - commits[1] == 2


def test_events_of_several_runs_in_one_batch_are_all_told(open_home: Callable[[str], Any]) -> None:
    with open_home(OWN) as home:
        run(home, KEYS[:2])
        run(home, KEYS[2:4])
        entries = [entry for run_id in home.run_ids for entry in home.instance.all_logs(run_id)]
        whole, runs = story(home), home.run_ids
        told = home.instance.all_logs(runs[0]), home.instance.all_logs(runs[1])
    with open_home(BATCHING) as home:
        home.log.store_event_batch(entries)
        assert (home.instance.all_logs(runs[0]), home.instance.all_logs(runs[1])) == told
        assert sorted(home.instance.get_materialized_partitions(SESSIONS)) == whole["materialized"]


def test_the_table_of_assets_keeps_the_newest_event_of_a_batch(open_home: Callable[[str], Any]) -> None:
    with open_home(BATCHING) as home:
        run(home)
        (record,) = home.instance.get_asset_records([SESSIONS])
        ids = home.log.get_latest_storage_id_by_partition(SESSIONS, dg.DagsterEventType.ASSET_MATERIALIZATION)
        assert record.asset_entry.last_materialization_record.storage_id == max(ids.values())
        assert len(set(ids.values())) == 20
