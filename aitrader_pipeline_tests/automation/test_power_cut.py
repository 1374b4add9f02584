"""A served arena whose processes die: its runs are ended and started again by themselves, nothing is doubled."""

import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import dagster as dg
import pytest

from aitrader_pipeline_tests.arena_homes import ArenaHome, priced_arena, reconfigure
from aitrader_pipeline_tests.markets import FLAT, KEY, KEY_VARIABLE, TEN_DAYS, baseline, cells_of, model
from aitrader_pipeline_tests.openai_server import OpenAIServer, after, finishes, openai_server
from aitrader_pipeline_tests.served_arenas import ServedArena, served

CASH, SLOW, LATE = "cash", "slow", "equal_weight"
_GRID = """{ assetNodeOrError(assetKey: {path: ["agent_sessions"]}) {
  ... on AssetNode { partitionKeysByDimension { name partitionKeys } }
} }"""

# The daemon looks at a backfill every 30 seconds.
pytestmark = [pytest.mark.daemon, pytest.mark.timeout(600)]


def until(reached: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.1)


def arena_of(folder: Path, endpoint: OpenAIServer) -> ArenaHome:
    endpoint.respond(SLOW, lambda _: after(1, finishes()))
    arena = priced_arena(folder, [baseline(CASH), model(SLOW, endpoint.base_url)], FLAT)
    assert arena.materialise("prices").success
    return ArenaHome(folder, {**arena.environ, KEY_VARIABLE: KEY})


def statuses(arena: ArenaHome) -> list[str]:
    """Of the runs of sessions, oldest first."""
    with arena.instance() as instance:
        runs = [run for run in instance.get_runs() if dg.AssetKey("agent_sessions") in (run.asset_selection or ())]
    return [run.status.value for run in reversed(runs)]


def models_of_the_grid(ui: ServedArena) -> list[str]:
    """The rows of the grid as the UI shows them."""
    dimensions = ui.graphql(_GRID)["assetNodeOrError"]["partitionKeysByDimension"]
    (models,) = (axis["partitionKeys"] for axis in dimensions if axis["name"] == "model")
    return list(models)


def test_killed_runs_go_on_by_themselves_and_a_new_model_joins_without_a_restart(tmp_path: Path) -> None:
    with openai_server() as endpoint:
        arena = arena_of(tmp_path, endpoint)

        def finished() -> int:
            return len(arena.records.dates(SLOW))

        with served(arena) as ui:
            backfill = ui.backfill(cells_of(SLOW, TEN_DAYS), ["agent_sessions"])
            until(lambda: finished() >= 1)
            assert ui.kill_one("run")
            until(lambda: finished() >= 4)
            ui.kill()
            assert statuses(arena) == ["FAILURE", "STARTED"]
        with served(arena) as ui:
            reconfigure(arena, models=[baseline(CASH), model(SLOW, endpoint.base_url), baseline(LATE)])
            assert ui.wait(backfill, 240) == "COMPLETED_SUCCESS"
            until(lambda: LATE in models_of_the_grid(ui))
            assert (
                ui.wait(ui.backfill(cells_of(LATE, TEN_DAYS[:2]), ["agent_sessions"]), 120) == "COMPLETED_SUCCESS"
            )
        assert statuses(arena)[:3] == ["FAILURE", "FAILURE", "SUCCESS"]
        job = arena.ok("status", backfill, "--format", "json").json
        assert (job["status"], job["progress"]["completed"]) == ("completed", len(TEN_DAYS))
        # Only the two sessions in which it was killed were begun twice.
        begun = endpoint.begun(SLOW)
        assert len(begun) <= len(TEN_DAYS) + 2
    records = arena.all_records()
    chain = [records[cell] for cell in sorted(cells_of(SLOW, TEN_DAYS))]
    assert all(record.opened_from == before.ref for before, record in pairwise(chain))
    assert {record.launch for record in chain} == {backfill}
