"""The order property: whatever is launched, and however Dagster cuts it, every chain is whole in the end."""

import random
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from aitrader_pipeline.market.calendar import TradingCalendar
from aitrader_pipeline.trading.chains import Cell
from aitrader_pipeline_tests.arena_homes import ArenaHome, priced_arena
from aitrader_pipeline_tests.markets import KEY, KEY_VARIABLE, OCT_02, cells_of, day, model
from aitrader_pipeline_tests.openai_server import (
    Answer,
    OpenAIServer,
    Received,
    after,
    buy,
    fails,
    finishes,
    openai_server,
    says,
)
from aitrader_pipeline_tests.served_arenas import ServedArena, served

SEED = 20251002
LAST = "2025-10-29"
DATES = TradingCalendar("XNAS", day(OCT_02), day(LAST)).sessions(day(OCT_02), day(LAST))
DAYS = [date.isoformat() for date in DATES]
LONG = tuple(f"long-{number}" for number in range(8))
WIDE = tuple(f"wide-{number:02}" for number in range(40))
HOLED = ("holed-0",)
TORN = ("torn-0", "torn-1")
MOST_LAUNCHES = 6
LATENCY_SECONDS = 0.03
# Of each slice, some models are refused on one of its days, so many times.
REFUSALS = {LONG: (1,), WIDE: (1, 2), HOLED: (1,)}

# All that is launched happens once, on two slots, before the first test.
pytestmark = [pytest.mark.daemon, pytest.mark.timeout(600)]


@dataclass
class Slice:
    """Model-days that somebody wants: `first` is launched, then what has failed or is missing, until all stand."""

    wanted: frozenset[Cell]
    first: frozenset[Cell]
    launches: list[str] = field(default_factory=list)
    runs: list[int] = field(default_factory=list)
    lacked: list[set[Cell]] = field(default_factory=list)


@dataclass(frozen=True)
class Story:
    """What has happened: the arena as it is now, its slices, and what the command line said beside them."""

    arena: ArenaHome
    endpoint: OpenAIServer
    slices: dict[str, Slice]
    refused: dict[tuple[str, str], int]
    beside: str


class Moody:
    """Models that take their time, buy on some days, and are refused on a few as often as it was drawn."""

    def __init__(self, endpoint: OpenAIServer) -> None:
        self._endpoint = endpoint
        draw = random.Random(SEED)
        lengths = {LONG: 20, WIDE: 5, HOLED: 5}
        self.refused = {
            (name, draw.choice(DAYS[: lengths[models]])): times
            for models, refusals in REFUSALS.items()
            for name, times in zip(draw.sample(models, len(refusals)), refusals, strict=True)
        }

    def __call__(self, received: Received) -> Answer:
        name, date = received.body["model"], received.date
        begun = self._endpoint.begun(name).count(date)
        draw = random.Random(f"{SEED} {name} {date} {begun} {len(received.messages)}")
        return after(draw.uniform(0, LATENCY_SECONDS), self._answer(received, name, date, begun, draw))

    def _answer(self, received: Received, name: str, date: str, begun: int, draw: random.Random) -> Answer:
        if begun <= self.refused.get((name, date), 0):
            return fails(400, "not today")
        if received.results() or draw.random() < 0.3:
            return finishes()
        return says("", buy("AAPL", draw.randint(1, 3)))


def quotes() -> dict[str, dict[str, tuple[str, str]]]:
    draw = random.Random(SEED)
    return {"AAPL": {date: (f"{draw.uniform(90, 110):.2f}", f"{draw.uniform(90, 110):.2f}") for date in DAYS}}


def slices() -> dict[str, Slice]:
    draw = random.Random(SEED)
    long, wide = cells_of(LONG, DAYS), cells_of(WIDE, DAYS[:5])
    holed, torn = cells_of(HOLED, DAYS[:5]), cells_of(TORN, DAYS[:3])
    one_part = frozenset(draw.sample(sorted(torn), len(torn) // 2))
    return {
        "wide": Slice(wide, wide),
        "holed": Slice(holed, frozenset(draw.sample(sorted(holed), 2 * len(holed) // 3))),
        "torn": Slice(torn, one_part),
        "torn, the rest": Slice(torn - one_part, torn - one_part),
        "long": Slice(long, long),
    }


def launch_until_all_stand(ui: ServedArena, slices: list[Slice], deadline: float) -> None:
    """As a patient user does: look at the grid when a launch is over, and launch what has failed or is missing."""
    while slices:
        assert time.monotonic() < deadline, slices
        time.sleep(0.5)
        for wanted in list(slices):
            runs = ui.runs_of(wanted.launches[-1])
            if not runs or any(state not in ("SUCCESS", "FAILURE") for state in runs.values()):
                continue
            wanted.runs.append(len(runs))
            missing = set(wanted.wanted - ui.green(DATES))
            wanted.lacked.append(missing)
            if missing:
                assert len(wanted.launches) < MOST_LAUNCHES, sorted(map(str, missing))
                wanted.launches.append(ui.backfill(missing))
            else:
                slices.remove(wanted)


def run_beside(arena: ArenaHome, endpoint: OpenAIServer) -> subprocess.Popen[str]:
    """Start the command line, once the launches have begun, over days and models that are in two of them."""
    end = time.monotonic() + 120
    while not endpoint.requests:
        assert time.monotonic() < end
        time.sleep(0.1)
    return arena.start("run", "--models", ",".join((*LONG[4:], *WIDE[:2])), "--end", DAYS[4])


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("order")
    with openai_server() as endpoint:
        moody = Moody(endpoint)
        names = (*LONG, *WIDE, *HOLED, *TORN)
        for name in names:
            endpoint.respond(name, moody)
        arena = priced_arena(folder, [model(name, endpoint.base_url) for name in names], quotes())
        arena = ArenaHome(arena.folder, {**arena.environ, KEY_VARIABLE: KEY})
        assert arena.materialise("prices").success
        wanted = slices()
        with served(arena, run_slots=2) as ui:
            for each in wanted.values():
                each.launches.append(ui.backfill(each.first))
            with run_beside(ui.arena, endpoint) as beside:
                try:
                    launch_until_all_stand(ui, list(wanted.values()), time.monotonic() + 450)
                    _, said = beside.communicate(timeout=100)
                finally:
                    beside.kill()
            yield Story(ui.arena, endpoint, wanted, moody.refused, said)


def broken_links(arena: ArenaHome) -> list[str]:
    """Where a record did not open from the one before it, as that one is."""
    records = arena.all_records()
    found: list[str] = []
    for name in arena.records.models():
        chain = [records[cell] for cell in sorted(records) if cell.model == name]
        if (chain[0].opened_from, chain[0].start.shares, chain[0].session_number) != (None, {}, 1):
            found.append(f"{name} does not begin on {chain[0].date}")
        for before, record in pairwise(chain):
            if record.opened_from != before.ref:
                found.append(f"{name} on {record.date} names {record.opened_from}, not {before.ref}")
            if record.start != before.end:
                found.append(f"{name} on {record.date} starts with another book than {before.date} ended with")
            if record.session_number != before.session_number + 1:
                found.append(f"{name} on {record.date} is number {record.session_number}")
    return found


def test_every_session_opened_from_the_very_record_before_it(story: Story) -> None:
    assert broken_links(story.arena) == []


def test_every_model_day_that_was_wanted_stands_and_no_other(story: Story) -> None:
    wanted = frozenset().union(*(wanted.wanted for wanted in story.slices.values()))
    assert story.arena.all_records().keys() == wanted


def test_dagster_has_cut_the_slices_both_ways(story: Story) -> None:
    assert story.slices["long"].runs[0] == len(LONG)
    assert story.slices["wide"].runs[0] == 5


def test_a_launch_leaves_nothing_undone_but_what_was_refused_and_what_comes_after_it(story: Story) -> None:
    refused = {name: day(date) for name, date in story.refused}
    lacked = story.slices["long"].lacked[0] | story.slices["wide"].lacked[0]
    # A run of the same launch, or the command line beside it, may have made good for it before the launch ended.
    assert all(story.endpoint.begun(name).count(date) > times for (name, date), times in story.refused.items())
    assert {cell for cell in lacked if cell.model not in refused or cell.date < refused[cell.model]} == set()


def test_no_model_was_asked_for_two_things_at_once(story: Story) -> None:
    assert {story.endpoint.most_at_once_of(name) for name in story.arena.records.models()} == {1}


def test_the_command_line_beside_them_lost_nothing(story: Story) -> None:
    assert "model-days run" in story.beside
