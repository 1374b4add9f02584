"""Stale sessions: what was run before the past became another, how Dagster shows it, and how it is run again."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from aitrader_pipeline.definitions import build_definitions
from aitrader_pipeline.trading.chains import Cell
from aitrader_pipeline_tests.arena_homes import ArenaHome, priced_arena, reconfigure
from aitrader_pipeline_tests.markets import (
    KEY,
    KEY_VARIABLE,
    OCT_02,
    OCT_03,
    OCT_06,
    OCT_07,
    TEN_DAYS,
    Quotes,
    baseline,
    cells_of,
    day,
    model,
)
from aitrader_pipeline_tests.openai_server import Answer, OpenAIServer, Received, buy, finishes, says

pytestmark = pytest.mark.slow

HOLD, CASH, MOMENTUM = "buy_and_hold", "cash", "momentum"
DAYS = TEN_DAYS[:6]
ROSTER = [baseline(HOLD), baseline(CASH)]
RISING: Quotes = {
    symbol: {date: (str(base + i), str(base + i + 1)) for i, date in enumerate(DAYS)}
    for symbol, base in {"AAPL": 100, "MSFT": 200}.items()
}
SESSIONS = dg.AssetKey("agent_sessions")


ROTATING = [*ROSTER, baseline(MOMENTUM, lookback=2, top=1)]


def with_bar(symbol: str, date: str, quote: tuple[str, str]) -> Quotes:
    return {**RISING, symbol: {**RISING[symbol], date: quote}}


def statuses(arena: ArenaHome, cells: Iterable[Cell]) -> Mapping[Cell, StaleStatus]:
    """What the UI shows on the page of each model-day's partition."""
    with arena.instance() as instance:
        graph = build_definitions(arena.settings).resolve_asset_graph()
        resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
        return {cell: resolver.get_status(SESSIONS, str(cell)) for cell in cells}


def stale(arena: ArenaHome) -> set[Cell]:
    """The model-days that the UI shows as out of step with what they were made from."""
    found = statuses(arena, arena.all_records())
    assert set(found.values()) <= {StaleStatus.FRESH, StaleStatus.STALE}
    return {cell for cell, status in found.items() if status is StaleStatus.STALE}


def test_what_was_run_once_is_in_step_and_stays_so_when_sessions_are_added(tmp_path: Path) -> None:
    arena = priced_arena(tmp_path, ROSTER, {s: {d: RISING[s][d] for d in DAYS[:3]} for s in RISING})
    arena.ok("run")
    assert stale(arena) == set()
    priced_arena(tmp_path, ROSTER, RISING)
    answer = arena.ok("run")
    assert len(arena.all_records()) == 12
    assert stale(arena) == set()
    assert "stale" not in answer.said


def test_a_replaced_session_marks_the_later_ones_of_its_model_and_no_other(tmp_path: Path) -> None:
    arena = priced_arena(tmp_path, ROSTER, RISING)
    arena.ok("run")
    launches = arena.launches()
    reconfigure(arena, models=[{**baseline(CASH), "signature": HOLD}, baseline(CASH)])
    arena.aitrader("run", "--start", DAYS[1], "--end", DAYS[2], "--models", HOLD, "--replace")
    # The second session opened with shares that it kept, so what it did is the same as before but for its text.
    assert stale(arena) == cells_of(HOLD, DAYS[3:])

    reconfigure(arena, models=ROSTER)
    answer = arena.ok("run", "--stale")
    assert "3 of 3 model-days run; 9 stood already." in answer.said
    assert stale(arena) == set()
    kept = cells_of(CASH, DAYS) | cells_of(HOLD, DAYS[0])
    assert {cell: arena.launches()[cell] for cell in kept} == {cell: launches[cell] for cell in kept}


def test_a_session_that_is_run_again_and_does_the_same_marks_nothing(tmp_path: Path) -> None:
    arena = priced_arena(tmp_path, ROSTER, RISING)
    arena.ok("run")
    arena.ok("run", "--start", DAYS[1], "--end", DAYS[1], "--replace")
    assert stale(arena) == set()
    assert "Up to date" in arena.ok("run", "--stale").said


def test_a_restated_bar_marks_exactly_the_sessions_that_saw_it(tmp_path: Path) -> None:
    arena = priced_arena(tmp_path, ROTATING, RISING)
    arena.ok("run")
    before = arena.launches()
    restated = DAYS[2]
    priced_arena(tmp_path, ROTATING, with_bar("MSFT", restated, ("202", "240")))
    answer = arena.aitrader("run")
    # The next session saw that close in its briefing, the one after it in the profit of what it held; momentum
    # asked for it once more.
    saw = cells_of((HOLD, CASH, MOMENTUM), DAYS[3]) | cells_of(HOLD, DAYS[4]) | cells_of(MOMENTUM, DAYS[5])
    assert stale(arena) == saw
    assert f"{len(saw)} finished model-days are stale" in answer.said
    assert arena.launches() == before

    arena.ok("run", "--stale")
    again = cells_of((HOLD, CASH, MOMENTUM), DAYS[3:])
    assert {cell for cell, launch in arena.launches().items() if launch != before[cell]} == again
    assert stale(arena) == set()


def test_a_bar_that_is_restated_while_it_is_run_marks_what_was_run_on_the_old_one(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    roster = [model("talker", endpoint.base_url), baseline(CASH)]
    arena = priced_arena(tmp_path, roster, RISING)
    arena = ArenaHome(arena.folder, {**arena.environ, KEY_VARIABLE: KEY})

    def restates(received: Received) -> Answer:
        if received.date == DAYS[1]:
            priced_arena(tmp_path, roster, with_bar("MSFT", DAYS[0], ("200", "240")))
            with arena.start("run", "--models", CASH, "--end", DAYS[1]) as other:
                other.communicate()
        return finishes()

    endpoint.respond("talker", restates)
    arena.ok("run", "--models", "talker", "--end", DAYS[3])
    assert stale(arena) == cells_of("talker", DAYS[1])


def test_a_restated_close_of_the_day_itself_marks_no_session_of_that_day(tmp_path: Path) -> None:
    arena = priced_arena(tmp_path, ROSTER, RISING)
    arena.ok("run")
    priced_arena(tmp_path, ROSTER, with_bar("AAPL", DAYS[-1], (RISING["AAPL"][DAYS[-1]][0], "150")))
    arena.ok("run")
    assert stale(arena) == set()
    priced_arena(tmp_path, ROSTER, with_bar("AAPL", DAYS[-1], ("120", "150")))
    arena.ok("run")
    assert stale(arena) == cells_of((HOLD, CASH), DAYS[-1])


def test_a_catch_up_that_leaves_a_stale_session_as_it_is_leaves_it_marked(tmp_path: Path) -> None:
    arena = priced_arena(tmp_path, ROSTER, RISING)
    arena.ok("run")
    priced_arena(tmp_path, ROSTER, with_bar("AAPL", OCT_03, ("101", "120")))
    arena.ok("run")
    outdated = cells_of((HOLD, CASH), OCT_06) | cells_of(HOLD, OCT_07)
    assert stale(arena) == outdated
    tags = {
        "dagster/asset_partition_range_start": f"{OCT_02}|{HOLD}",
        "dagster/asset_partition_range_end": f"{OCT_06}|{CASH}",
    }
    config = {"ops": {"agent_sessions": {"config": {"keep_finished": True}}}}
    with arena.instance() as instance:
        job = build_definitions(arena.settings).resolve_implicit_global_asset_job_def()
        assert job.execute_in_process(
            instance=instance, run_config=config, asset_selection=[SESSIONS], tags=tags
        ).success
    assert stale(arena) == outdated


def test_a_record_of_before_the_bars_were_kept_is_marked_by_all_that_its_view_held(tmp_path: Path) -> None:
    arena = priced_arena(tmp_path, [baseline(CASH)], RISING)
    arena.ok("run")
    for record in arena.all_records().values():
        arena.records.write(record.model_copy(update={"prices_seen": None}))
    priced_arena(tmp_path, [baseline(CASH)], with_bar("MSFT", DAYS[3], ("203", "240")))
    arena.ok("run")
    assert stale(arena) == cells_of(CASH, DAYS[4:])
    assert day(DAYS[4]) in arena.records.dates(CASH)


# ---- corporate actions

SPLIT, PAID = f"AAPL,{DAYS[2]},split,2", f"MSFT,{DAYS[3]},dividend,1"


def with_actions(folder: Path, *actions: str) -> ArenaHome:
    """The arena of all rules on rising prices, with these actions in its file and the file in its config."""
    return priced_arena(folder, ROTATING, RISING, actions=[f"IBM,{DAYS[0]},dividend,1", *actions])


def holders(arena: ArenaHome, symbol: str, date: str) -> set[Cell]:
    """The model-days of a date that started with shares of a symbol."""
    return {
        cell
        for cell, record in arena.all_records().items()
        if cell.date == day(date) and symbol in record.start.shares
    }


def test_an_action_that_comes_late_marks_exactly_the_sessions_that_held_the_symbol_then(tmp_path: Path) -> None:
    arena = with_actions(tmp_path)
    arena.ok("run")
    with_actions(tmp_path, SPLIT)
    answer = arena.aitrader("run")
    assert stale(arena) == holders(arena, "AAPL", DAYS[2]) == cells_of(HOLD, DAYS[2])
    assert "1 finished model-days are stale" in answer.said

    arena.ok("run", "--stale")
    assert stale(arena) == set()
    records = arena.all_records()
    assert [len(records[cell].events) for cell in sorted(cells_of(HOLD, DAYS))] == [0, 0, 1, 0, 0, 0]


def test_a_restated_action_marks_the_sessions_that_it_was_applied_to_and_one_that_is_as_it_was_none(
    tmp_path: Path,
) -> None:
    arena = with_actions(tmp_path, SPLIT, PAID)
    arena.ok("run")
    with_actions(tmp_path, f"AAPL,{DAYS[2]},split,2.0", PAID)
    arena.ok("run")
    assert stale(arena) == set()
    with_actions(tmp_path, SPLIT, f"MSFT,{DAYS[3]},dividend,2")
    arena.aitrader("run")
    assert stale(arena) == holders(arena, "MSFT", DAYS[3])
    assert stale(arena) >= cells_of(HOLD, DAYS[3])


def test_an_action_that_vanishes_from_its_file_marks_what_it_was_applied_to(tmp_path: Path) -> None:
    arena = with_actions(tmp_path, SPLIT)
    arena.ok("run")
    with_actions(tmp_path)
    arena.aitrader("run")
    assert stale(arena) == cells_of(HOLD, DAYS[2])


def test_a_mart_that_is_made_anew_marks_nothing_for_its_actions(tmp_path: Path) -> None:
    arena = with_actions(tmp_path, SPLIT, PAID)
    arena.ok("run")
    arena.mart.unlink()
    arena.ok("run")
    assert stale(arena) == set()


def test_an_action_that_comes_while_it_is_run_marks_what_was_run_without_it(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    roster = [model("talker", endpoint.base_url), baseline(CASH)]
    arena = priced_arena(tmp_path, roster, RISING)
    arena = ArenaHome(arena.folder, {**arena.environ, KEY_VARIABLE: KEY})

    def restates(received: Received) -> Answer:
        if received.date == DAYS[0] and not received.results():
            return says("One.", buy("AAPL", 1))
        if received.date == DAYS[2]:
            priced_arena(tmp_path, roster, RISING, actions=[f"AAPL,{DAYS[1]},dividend,1"])
            with arena.start("run", "--models", CASH, "--end", DAYS[1]) as other:
                other.communicate()
        return finishes()

    endpoint.respond("talker", restates)
    arena.ok("run", "--models", "talker", "--end", DAYS[3])
    assert stale(arena) == cells_of("talker", DAYS[1])
