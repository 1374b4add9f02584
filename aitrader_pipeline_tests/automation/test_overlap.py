"""Launches that overlap: each waits for the other, nothing runs twice at once, and all say what they did."""

import datetime as dt
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import dagster as dg
import pytest

from aitrader_pipeline.catalog import SESSIONS
from aitrader_pipeline_tests.arena_homes import ArenaHome, priced_arena
from aitrader_pipeline_tests.dagster_ticks import asked_for, block_of, schedule_tick, sensor_tick
from aitrader_pipeline_tests.markets import KEY, KEY_VARIABLE, TEN_DAYS, cells_of, day, model
from aitrader_pipeline_tests.openai_server import OpenAIServer, behind, finishes, openai_server
from aitrader_pipeline_tests.served_arenas import ServedArena, served

ANN, BOB, CID = MODELS = ("ann", "bob", "cid")
DAYS = TEN_DAYS[:6]
FIRST, LAST = DAYS[0], DAYS[-1]
# Both have more days than models: Dagster cuts them into a run per model, which holds its chain to the end.
BACKFILLED = DAYS[1:5]
REPLACED = DAYS[3:]
CLOSE = dt.datetime.combine(day(LAST), dt.time(20, 30), dt.UTC)
SECONDS = 150.0

# Everything that overlaps is launched once, before the first test.
pytestmark = [pytest.mark.daemon, pytest.mark.timeout(600)]


@dataclass
class Night:
    """One arena on which all that overlaps has happened, and what was seen on the way."""

    ui: ServedArena
    endpoint: OpenAIServer
    gate: threading.Event
    # Of the round in which everything was missing, and of the one in which everything stood.
    backfill: str = ""
    by_command: str = ""
    by_schedule: str = ""
    told_by_sensor: str | None = None
    asked_by_schedule: frozenset[Any] = frozenset()
    begun: Counter[tuple[str, str]] = field(default_factory=Counter)
    told: dict[str, dict[str, int]] = field(default_factory=dict)
    one: str = ""
    other: str = ""
    by_hand: str = ""

    @property
    def arena(self) -> ArenaHome:
        return self.ui.arena

    def begun_so_far(self) -> Counter[tuple[str, str]]:
        """How often each model-day was begun."""
        return Counter((name, date) for name in MODELS for date in self.endpoint.begun(name))

    def waits(self, run_id: str) -> bool:
        return "waiting for another run that trades" in self.said(run_id)

    def said(self, run_id: str) -> str:
        """What a run has logged."""
        with self.arena.instance() as instance:
            return "\n".join(entry.user_message for entry in instance.all_logs(run_id))

    def runs_of_commands(self) -> list[str]:
        """The runs of sessions that processes of the command line have launched, the newest first."""
        with self.arena.instance() as instance:
            runs = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
        wanted = dg.AssetKey(SESSIONS)
        return [
            run.run_id
            for run in runs
            if run.remote_job_origin is None and run.asset_selection and wanted in run.asset_selection
        ]

    def counts(self, launch: str) -> dict[str, int]:
        """What a launch says of itself."""
        job = self.arena.ok("status", launch, "--format", "json").json
        counts = ("completed", "skipped", "failed", "pending")
        return {name: count for name in counts if (count := job["progress"][name])}


def until(look: Callable[[], Any]) -> Any:
    """The first answer that is something."""
    end = time.monotonic() + SECONDS
    while not (answer := look()):
        assert time.monotonic() < end
        time.sleep(0.2)
    return answer


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    gate = threading.Event()
    with openai_server() as endpoint:
        for name in MODELS:
            endpoint.respond(name, lambda _: behind(gate, finishes()))
        roster = [model(name, endpoint.base_url) for name in MODELS]
        quotes = {"AAPL": dict.fromkeys(DAYS, ("100", "101"))}
        arena = priced_arena(tmp_path_factory.mktemp("overlap"), roster, quotes)
        arena = ArenaHome(arena.folder, {**arena.environ, KEY_VARIABLE: KEY})
        gate.set()
        arena.ok("run", "--end", FIRST)
        with served(arena) as ui:
            night = Night(ui, endpoint, gate)
            everything_is_missing(night)
            everything_stands(night)
            yield night


def everything_is_missing(night: Night) -> None:
    """A backfill; while its sessions are held: ticks of the sensor and the clock, the same slice by command."""
    ui, gate = night.ui, night.gate
    gate.clear()
    night.backfill = ui.backfill(cells_of(MODELS, BACKFILLED))
    until(lambda: all(DAYS[1] in night.endpoint.begun(name) for name in MODELS))
    with night.arena.instance() as instance:
        night.told_by_sensor = sensor_tick(night.arena, instance, "catch_up").skip_message
        (request,) = schedule_tick(night.arena, instance, CLOSE).run_requests or ()
    night.asked_by_schedule = frozenset(asked_for([request], night.arena))
    with night.arena.start("run", "--end", BACKFILLED[-1]) as command:
        try:
            (night.by_command,) = until(night.runs_of_commands)
            night.by_schedule = ui.launch(block_of(MODELS, DAYS[1:]), run_config=request.run_config)
            until(lambda: night.waits(night.by_command) and night.waits(night.by_schedule))
            gate.set()
            command.communicate(timeout=SECONDS)
        finally:
            command.kill()
    ui.wait_run(night.by_schedule, SECONDS)
    until(lambda: over(ui, night.backfill))
    night.begun = night.begun_so_far()
    night.told = {launch: night.counts(launch) for launch in (night.backfill, night.by_command, night.by_schedule)}


def everything_stands(night: Night) -> None:
    """Two backfills that replace, both with one of the models; and one of its model-days by hand."""
    ui, gate = night.ui, night.gate
    gate.clear()
    before = night.begun_so_far()
    night.one = ui.backfill(cells_of((ANN, BOB), REPLACED))
    night.other = ui.backfill(cells_of((BOB, CID), REPLACED))
    until(lambda: all(night.begun_so_far()[name, REPLACED[0]] > before[name, REPLACED[0]] for name in MODELS))
    night.by_hand = ui.launch(block_of((ANN,), (LAST,)))
    until(lambda: night.waits(night.by_hand))
    gate.set()
    ui.wait_run(night.by_hand, SECONDS)
    until(lambda: over(ui, night.one) and over(ui, night.other))


def over(ui: ServedArena, backfill: str) -> bool:
    """Whether all runs of a backfill have ended; the daemon itself notices up to 30 seconds later."""
    return all(state in ("SUCCESS", "FAILURE") for state in ui.runs_of(backfill).values())


def test_a_slice_that_is_launched_by_hand_by_command_and_by_the_clock_is_run_once(night: Night) -> None:
    assert night.begun == Counter({(name, date): 1 for name in MODELS for date in DAYS})


def test_the_launch_that_came_first_has_run_it_and_the_others_say_that_they_left_it(night: Night) -> None:
    slice_size = len(MODELS) * len(BACKFILLED)
    assert night.told[night.backfill] == {"completed": slice_size}
    assert night.told[night.by_command] == {"skipped": slice_size}
    assert night.told[night.by_schedule] == {"completed": len(MODELS), "skipped": slice_size}


def test_the_clock_asks_for_all_that_is_missing_and_the_sensor_for_nothing_that_is_being_run(night: Night) -> None:
    assert night.asked_by_schedule == cells_of(MODELS, DAYS[1:])
    assert night.told_by_sensor == f"{len(MODELS) * len(BACKFILLED)} missing model-days are already being run"


def test_what_several_launches_are_to_replace_is_run_once(night: Night) -> None:
    assert night.begun_so_far() - night.begun == Counter({(name, date): 1 for name in MODELS for date in REPLACED})


def test_each_launch_says_what_it_has_run_and_what_another_had_run_for_it(night: Night) -> None:
    size = len(REPLACED)
    told = sorted((night.counts(launch) for launch in (night.one, night.other)), key=len)
    assert told == [{"completed": 2 * size}, {"completed": size, "skipped": size}]
    assert night.counts(night.by_hand) == {"skipped": 1}
    assert "waiting for another run that trades ann" in night.said(night.by_hand)


def test_no_model_has_ever_had_two_sessions_at_once(night: Night) -> None:
    assert {name: night.endpoint.most_at_once_of(name) for name in MODELS} == dict.fromkeys(MODELS, 1)


def test_the_chains_are_whole_and_their_sessions_follow_each_other_in_time(night: Night) -> None:
    records = night.arena.all_records()
    for name in MODELS:
        chain = [records[cell] for cell in sorted(records) if cell.model == name]
        assert [str(record.date) for record in chain] == list(DAYS)
        for before, record in pairwise(chain):
            assert record.opened_from == before.ref
            assert before.finished_at <= record.started_at
