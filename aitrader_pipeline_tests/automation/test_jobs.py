"""Jobs: what `jobs` and `status` tell of every launch, however it was made and whatever became of it."""

import datetime as dt
import os
import signal
from typing import Any

import dagster as dg
import pytest
from dagster._core.events import AssetObservationData
from dagster._core.execution.backfill import BulkActionStatus

from aitrader_pipeline.automation.jobs import Job, job_of, job_shape, jobs_of, jobs_within
from aitrader_pipeline.automation.launching import Launcher, Slice
from aitrader_pipeline.automation.sensors import session_request
from aitrader_pipeline.catalog import BOOKS
from aitrader_pipeline.partitions import axes_of
from aitrader_pipeline.trading.chains import Cell
from aitrader_pipeline_tests.arena_homes import ArenaHome, priced_arena
from aitrader_pipeline_tests.dagster_ticks import (
    add_backfill,
    add_run,
    block_of,
    copy_of,
    end_backfill,
    launch,
    trade,
)
from aitrader_pipeline_tests.markets import FLAT, KEY_VARIABLE, OCT_02, TEN_DAYS, baseline, cells_of, day, model

CASH, HOLD, BROKEN = "cash", "buy_and_hold", "broken"
MODELS = (CASH, HOLD)
# Where nobody listens; a session fails before that, because its key is not set.
NOWHERE = "http://127.0.0.1:9/v1"
CANCELLED = "the launch was cancelled or interrupted; what was finished is kept, launch the same again"

# Building what the server stores of a backfill still goes through a method that Dagster itself deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:Function `AssetSelection.sources`:DeprecationWarning")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> ArenaHome:
    """Two baselines and a model that always fails, with prices of ten sessions; nothing has been run."""
    roster = [*(baseline(name) for name in MODELS), model(BROKEN, NOWHERE)]
    arena = priced_arena(tmp_path_factory.mktemp("prepared"), roster, FLAT)
    assert arena.materialise("prices").success
    return arena


@pytest.fixture(scope="module")
def partial(prepared: ArenaHome, tmp_path_factory: pytest.TempPathFactory) -> ArenaHome:
    """The first three sessions, run by command: one of the three models has failed."""
    arena = copy_of(prepared, tmp_path_factory.mktemp("partial"))
    assert arena.aitrader("run", "--end", TEN_DAYS[2]).status == 1
    return arena


def the_job(arena: ArenaHome, instance: dg.DagsterInstance, job_id: str | None = None) -> Job:
    settings = arena.settings
    return job_of(settings, axes_of(settings), instance, job_id)


def states(job: Job, model: str) -> list[str]:
    """What became of a model's days, in order."""
    return [detail.status for detail in job.details if detail.model == model]


def errors(job: Job, model: str) -> list[str | None]:
    return [detail.error for detail in job.details if detail.model == model]


def failed_session(run: dg.DagsterRun, cell: Cell, error: str) -> dg.DagsterEvent:
    """What the sessions tell of one that has failed, the moment that it does."""
    observation = dg.AssetObservation(
        "agent_sessions", partition=str(cell), metadata={"error": error, "not_run": 1}
    )
    return dg.DagsterEvent(
        event_type_value=dg.DagsterEventType.ASSET_OBSERVATION.value,
        job_name=run.job_name,
        event_specific_data=AssetObservationData(observation),
    )


def status(arena: ArenaHome, *words: str) -> Any:
    return arena.ok("status", *words, "--format", "json").json


# --- how a launch ends ---


def test_a_launch_of_which_all_is_done_is_completed(arena: ArenaHome, instance: dg.DagsterInstance) -> None:
    trade(arena, MODELS, TEN_DAYS[:2])
    job = the_job(arena, instance)
    assert (job.status, job.error) == ("completed", None)
    assert states(job, CASH) == states(job, HOLD) == ["completed"] * 2
    assert set(arena.launches().values()) == {job.job_id}
    record = arena.all_records()[min(arena.all_records())]
    assert (job.details[0].started_at, job.details[0].completed_at) == (record.started_at, record.finished_at)
    assert job.started_at is not None
    assert job.completed_at is not None
    assert job.created_at <= job.started_at <= job.completed_at <= dt.datetime.now(dt.UTC)
    assert job.total_duration_seconds == (job.completed_at - job.started_at).total_seconds()


def test_a_launch_of_which_some_failed_is_partial_and_each_failure_says_why(partial: ArenaHome) -> None:
    with partial.instance() as instance:
        job = the_job(partial, instance)
    assert job.status == "partial"
    assert states(job, CASH) == states(job, HOLD) == ["completed"] * 3
    assert states(job, BROKEN) == ["failed"] * 3
    first, *later = errors(job, BROKEN)
    assert f"{BROKEN} on {OCT_02}" in (first or "")
    assert f"{KEY_VARIABLE} is not set" in (first or "")
    assert later == [f"not run because an earlier session failed: {first}"] * 2
    assert job.error == first


def test_a_launch_of_which_nothing_is_done_is_failed(arena: ArenaHome, instance: dg.DagsterInstance) -> None:
    assert not arena.materialise("agent_sessions", tags=block_of((BROKEN,), TEN_DAYS[:2]).tags()).success
    job = the_job(arena, instance)
    assert job.status == "failed"
    assert job.completed_at is not None
    assert job.count("completed", "running", "pending", "skipped") == 0


@pytest.mark.slow
def test_what_a_launch_kept_is_skipped_and_fails_nothing(arena: ArenaHome, instance: dg.DagsterInstance) -> None:
    trade(arena, MODELS, TEN_DAYS[:2])
    (first,) = set(arena.launches().values())
    assert launch(arena, session_request(block_of(MODELS, TEN_DAYS[:3]), run_key="catch up")).success
    job = the_job(arena, instance)
    assert job.job_id != first
    assert job.status == "completed"
    assert states(job, CASH) == states(job, HOLD) == ["skipped", "skipped", "completed"]
    assert states(the_job(arena, instance, first), CASH) == ["completed", "completed"]


def test_a_launch_that_was_cancelled_says_so(arena: ArenaHome, instance: dg.DagsterInstance) -> None:
    run = add_run(instance, block_of(MODELS, TEN_DAYS[:2]), dg.DagsterRunStatus.STARTED)
    instance.report_run_canceled(run)
    job = the_job(arena, instance)
    assert (job.status, job.error) == ("failed", CANCELLED)
    assert states(job, CASH) == ["pending"] * 2
    assert errors(job, CASH) == [CANCELLED] * 2


def test_interrupted_a_command_leaves_a_cancelled_run_and_nothing_of_it_has_failed(
    arena: ArenaHome, instance: dg.DagsterInstance
) -> None:
    launcher = Launcher(arena.settings, instance, lambda _: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        launcher.run(launcher.plan(Slice(end=day(TEN_DAYS[5]), models=MODELS)))
    job = the_job(arena, instance)
    run = instance.get_run_by_id(job.job_id)
    assert run is not None
    assert run.status is dg.DagsterRunStatus.CANCELED
    assert (job.status, job.error) == ("partial", CANCELLED)
    assert job.count("completed") == len(arena.all_records()) > 0
    assert job.count("pending") == 12 - job.count("completed") > 0
    assert {detail.error for detail in job.details if detail.status == "pending"} == {CANCELLED}


def test_what_a_cancelled_backfill_never_launched_has_not_failed_and_what_failed_before_has(
    arena: ArenaHome, instance: dg.DagsterInstance
) -> None:
    backfill = add_backfill(arena, instance, cells_of((*MODELS, BROKEN), TEN_DAYS[:2]), "backfill1")
    piece = {**block_of((BROKEN,), TEN_DAYS[:2]).tags(), "dagster/backfill": "backfill1"}
    assert not arena.materialise("agent_sessions", tags=piece).success
    run = add_run(instance, block_of((CASH,), TEN_DAYS[:2]), tags={"dagster/backfill": "backfill1"})
    instance.report_run_failed(run, "its machine is gone")
    end_backfill(instance, backfill, BulkActionStatus.CANCELED)
    job = the_job(arena, instance)
    assert job.status == "failed"
    assert {name: states(job, name) for name in (*MODELS, BROKEN)} == {
        CASH: ["failed"] * 2,
        HOLD: ["pending"] * 2,
        BROKEN: ["failed"] * 2,
    }
    assert errors(job, HOLD) == [CANCELLED] * 2
    assert errors(job, CASH)[0] == "its machine is gone"


def test_a_run_that_dies_says_what_dagster_knows_of_it(arena: ArenaHome, instance: dg.DagsterInstance) -> None:
    run = add_run(instance, block_of((CASH,), TEN_DAYS[:2]), dg.DagsterRunStatus.STARTED)
    instance.report_run_failed(run, "its machine is gone")
    job = the_job(arena, instance)
    assert (job.status, job.error) == ("failed", "its machine is gone")
    assert states(job, CASH) == ["failed", "failed"]


def test_a_retry_is_part_of_the_launch_and_its_end_is_the_launch_s(
    arena: ArenaHome, instance: dg.DagsterInstance
) -> None:
    trade(arena, MODELS, TEN_DAYS[:2])
    (job_id,) = set(arena.launches().values())
    first = instance.get_run_by_id(job_id)
    assert first is not None
    retry = add_run(instance, block_of(MODELS, TEN_DAYS[:4]), retries=first)
    job = the_job(arena, instance)
    assert (job.job_id, job.status) == (job_id, "running")
    assert states(job, CASH) == ["completed", "completed", "pending", "pending"]
    instance.report_run_failed(retry, "no room")
    job = the_job(arena, instance)
    assert job.status == "partial"
    assert states(job, CASH) == ["completed", "completed", "failed", "failed"]


def test_what_failed_and_is_retried_waits_again(arena: ArenaHome, instance: dg.DagsterInstance) -> None:
    block = block_of((CASH,), TEN_DAYS[:2])
    first = add_run(instance, block, dg.DagsterRunStatus.STARTED)
    instance.report_run_failed(first, "no room")
    add_run(instance, block, retries=first)
    job = the_job(arena, instance)
    assert (job.job_id, job.status, job.error) == (first.run_id, "running", None)
    assert states(job, CASH) == ["pending", "pending"]


def test_a_launch_whose_sessions_were_replaced_later_is_told_as_it_ended(
    arena: ArenaHome, instance: dg.DagsterInstance
) -> None:
    trade(arena, MODELS, TEN_DAYS[:2])
    (first,) = set(arena.launches().values())
    before = the_job(arena, instance, first)
    trade(arena, MODELS, TEN_DAYS[:1])
    newest = the_job(arena, instance)
    assert states(newest, CASH) == ["completed"]
    job = the_job(arena, instance, first)
    assert newest.job_id != first
    assert job == before


# --- how far it is ---


def test_a_launch_that_waits_is_pending_with_all_its_cells(arena: ArenaHome, instance: dg.DagsterInstance) -> None:
    add_run(instance, block_of(MODELS, TEN_DAYS[:2]))
    job = the_job(arena, instance)
    assert (job.status, job.count("pending"), len(job.details)) == ("pending", 4, 4)
    assert (job.started_at, job.completed_at, job.total_duration_seconds) == (None, None, None)
    assert job.current == ()


def test_a_launch_that_is_being_run_tells_what_is_done_what_is_current_and_what_is_to_come(
    arena: ArenaHome, instance: dg.DagsterInstance
) -> None:
    trade(arena, MODELS, TEN_DAYS[:2])
    (job_id,) = set(arena.launches().values())
    first = instance.get_run_by_id(job_id)
    assert first is not None
    add_run(instance, block_of(MODELS, TEN_DAYS[:4]), dg.DagsterRunStatus.STARTED, retries=first)
    job = the_job(arena, instance)
    assert job.status == "running"
    assert job.completed_at is None
    progress = job_shape(job, with_details=False)["progress"]
    assert progress == {
        "total_model_days": 8,
        "completed": 4,
        "failed": 0,
        "skipped": 0,
        "pending": 2,
        "current": [{"date": TEN_DAYS[2], "model": name} for name in (HOLD, CASH)],
    }


def test_a_model_that_has_failed_is_told_while_the_run_goes_on_with_the_others(
    arena: ArenaHome, instance: dg.DagsterInstance
) -> None:
    run = add_run(instance, block_of((*MODELS, BROKEN), TEN_DAYS[:3]), dg.DagsterRunStatus.STARTED)
    instance.report_dagster_event(failed_session(run, Cell(day(TEN_DAYS[1]), BROKEN), "out of credit"), run.run_id)
    job = the_job(arena, instance)
    assert (job.status, job.error) == ("running", "out of credit")
    assert states(job, CASH) == states(job, HOLD) == ["running", "pending", "pending"]
    # What was before the failed session may still be on its way through the log.
    assert states(job, BROKEN) == ["running", "failed", "failed"]
    assert errors(job, BROKEN)[1] == "not run because an earlier session failed: out of credit"


def test_what_a_model_failed_at_in_one_run_of_a_launch_another_one_may_still_do(
    arena: ArenaHome, instance: dg.DagsterInstance
) -> None:
    run = add_run(instance, block_of((BROKEN,), TEN_DAYS[:1]), dg.DagsterRunStatus.STARTED)
    add_run(instance, block_of((BROKEN,), TEN_DAYS[:3]), retries=run)
    instance.report_dagster_event(failed_session(run, Cell(day(TEN_DAYS[0]), BROKEN), "out of credit"), run.run_id)
    assert states(the_job(arena, instance), BROKEN) == ["pending"] * 3


def test_a_run_that_dies_after_a_model_has_failed_tells_both(
    arena: ArenaHome, instance: dg.DagsterInstance
) -> None:
    run = add_run(instance, block_of((CASH, BROKEN), TEN_DAYS[:2]), dg.DagsterRunStatus.STARTED)
    instance.report_dagster_event(failed_session(run, Cell(day(TEN_DAYS[0]), BROKEN), "out of credit"), run.run_id)
    instance.report_run_failed(run, "its machine is gone")
    job = the_job(arena, instance)
    assert errors(job, BROKEN)[0] == "out of credit"
    assert errors(job, CASH)[0] == "its machine is gone"
    assert job.error == "its machine is gone; out of credit"


def test_a_backfill_is_one_job_with_all_its_runs(arena: ArenaHome, instance: dg.DagsterInstance) -> None:
    days = TEN_DAYS[:3]
    backfill = add_backfill(arena, instance, cells_of(MODELS, days), "backfill1")
    assert the_job(arena, instance).status == "pending"
    piece = {**block_of((CASH,), days).tags(), "dagster/backfill": "backfill1"}
    assert arena.materialise("agent_sessions", tags=piece).success
    add_run(
        instance,
        block_of((HOLD,), days),
        dg.DagsterRunStatus.STARTED,
        tags={"dagster/backfill": "backfill1"},
    )
    (job,) = jobs_of(arena.settings, axes_of(arena.settings), instance)
    assert (job.job_id, job.status) == ("backfill1", "running")
    assert states(job, CASH) == ["completed"] * 3
    assert states(job, HOLD) == ["running", "pending", "pending"]
    for record in instance.get_run_records(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        instance.report_run_canceled(record.dagster_run)
    end_backfill(instance, backfill, BulkActionStatus.CANCELED)
    job = the_job(arena, instance)
    assert job.status == "partial"
    assert states(job, HOLD) == ["pending"] * 3
    assert errors(job, HOLD) == [CANCELLED] * 3
    assert errors(job, CASH) == [None] * 3


def test_a_run_of_a_finished_backfill_that_is_tried_again_by_hand_is_a_launch_of_its_own(
    arena: ArenaHome, instance: dg.DagsterInstance
) -> None:
    backfill = add_backfill(arena, instance, cells_of(CASH, TEN_DAYS[:2]), "backfill1")
    block = block_of((CASH,), TEN_DAYS[:2])
    run = add_run(instance, block, dg.DagsterRunStatus.FAILURE, tags={"dagster/backfill": "backfill1"})
    end_backfill(instance, backfill, BulkActionStatus.COMPLETED_FAILED)
    add_run(instance, block, retries=replace_tags(run))
    jobs = jobs_of(arena.settings, axes_of(arena.settings), instance)
    assert {job.job_id: job.status for job in jobs} == {run.run_id: "pending", "backfill1": "failed"}


def replace_tags(run: dg.DagsterRun) -> dg.DagsterRun:
    """A run whose retry is no part of its backfill any more."""
    return run.with_tags({key: value for key, value in run.tags.items() if key != "dagster/backfill"})


def test_runs_without_sessions_are_no_jobs(arena: ArenaHome, instance: dg.DagsterInstance) -> None:
    trade(arena, MODELS, TEN_DAYS[:1])
    assert arena.materialise(*BOOKS, tags=block_of(MODELS, TEN_DAYS[:1]).tags()).success
    assert len(jobs_of(arena.settings, axes_of(arena.settings), instance)) == 1


def test_launches_for_which_there_is_no_time_are_left_for_the_next(
    arena: ArenaHome, instance: dg.DagsterInstance
) -> None:
    ids = [add_run(instance, block_of(MODELS, TEN_DAYS[:1])).run_id for _ in range(3)]
    asked = (arena.settings, axes_of(arena.settings), instance)
    told, left = jobs_within(0, *asked, ids)
    assert ([job.job_id for job in told], left) == (ids[:1], ids[1:])
    told, left = jobs_within(60, *asked, left)
    assert ([job.job_id for job in told], left) == (ids[1:], ())


# --- the commands ---


def test_status_answers_in_the_shape_of_the_api(partial: ArenaHome) -> None:
    answer = status(partial)
    assert set(answer) == {
        "job_id",
        "status",
        "date_range",
        "models",
        "progress",
        "created_at",
        "started_at",
        "completed_at",
        "total_duration_seconds",
        "error",
    }
    assert answer["status"] == "partial"
    assert answer["date_range"] == list(TEN_DAYS[:3])
    assert answer["models"] == sorted((*MODELS, BROKEN))
    progress = answer["progress"]
    details = progress.pop("details")
    assert progress == {
        "total_model_days": 9,
        "completed": 6,
        "failed": 3,
        "skipped": 0,
        "pending": 0,
        "current": [],
    }
    days = [(date, name) for date in TEN_DAYS[:3] for name in sorted((*MODELS, BROKEN))]
    assert [(detail["date"], detail["model"]) for detail in details] == days
    for detail in details:
        assert set(detail) == {"date", "model", "status", "duration_seconds", "error"}
        failed = detail["model"] == BROKEN
        assert detail["status"] == ("failed" if failed else "completed")
        assert (detail["duration_seconds"] is None) == failed
        assert (detail["error"] is None) != failed
    for moment in ("created_at", "started_at", "completed_at"):
        assert dt.datetime.fromisoformat(answer[moment]).utcoffset() == dt.timedelta(0)


def test_jobs_lists_the_newest_first_without_their_details(arena: ArenaHome) -> None:
    for date in TEN_DAYS[:3]:
        trade(arena, MODELS, [date])
    listed = arena.ok("jobs", "--format", "json").json["jobs"]
    assert [job["date_range"] for job in listed] == [[date] for date in reversed(TEN_DAYS[:3])]
    assert not any("details" in job["progress"] for job in listed)
    assert arena.ok("jobs", "--limit", "2", "--format", "json").json["jobs"] == listed[:2]


def test_a_job_is_found_by_the_beginning_of_its_id(partial: ArenaHome) -> None:
    newest = status(partial)
    assert status(partial, newest["job_id"]) == status(partial, newest["job_id"][:8]) == newest


def test_an_unknown_job_is_told_with_the_newest_there_are(arena: ArenaHome) -> None:
    for date in TEN_DAYS[:4]:
        trade(arena, MODELS, [date])
    ids = [job["job_id"] for job in arena.ok("jobs", "--format", "json").json["jobs"]]
    answer = arena.aitrader("status", "nothing-like-it")
    assert (answer.status, answer.out) == (1, "")
    assert answer.said == f"error: there is no job nothing-like-it; the newest are {', '.join(ids[:3])}"


def test_a_beginning_that_two_jobs_share_is_not_enough(arena: ArenaHome, instance: dg.DagsterInstance) -> None:
    for name in ("twin-one", "twin-two"):
        add_backfill(arena, instance, cells_of(CASH, OCT_02), name)
    answer = arena.aitrader("status", "twin")
    assert answer.status == 1
    assert "2 jobs begin with twin; give more of the id" in answer.said
    assert status(arena, "twin-one")["job_id"] == "twin-one"


def test_before_the_first_launch_the_commands_say_so(prepared: ArenaHome) -> None:
    for command in ("jobs", "status"):
        answer = prepared.aitrader(command)
        assert (answer.status, answer.out) == (1, "")
        assert "no job has been launched yet" in answer.said


def test_the_tables_for_people_name_the_job_and_each_model_day(partial: ArenaHome) -> None:
    job_id = status(partial)["job_id"]
    listed, told = partial.ok("jobs").out, partial.ok("status").out
    assert job_id[:8] in listed
    assert "partial" in listed
    assert job_id in told
    assert all(date in told for date in TEN_DAYS[:3])
    rows = partial.ok("status", "--format", "csv").out.splitlines()
    assert len(rows) == 1 + 9
