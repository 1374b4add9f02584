"""What the leak audit finds, on its way from real runs to the tables, the check and the board."""

from pathlib import Path

import dagster as dg
import pytest

from aitrader_pipeline.catalog import BOOKS
from aitrader_pipeline.trading.assets import NO_LEAKS
from aitrader_pipeline_tests.arena_homes import ArenaHome, priced_arena
from aitrader_pipeline_tests.markets import KEY, KEY_VARIABLE, TEN_DAYS, Quotes, baseline, model
from aitrader_pipeline_tests.model_sessions import M
from aitrader_pipeline_tests.openai_server import OpenAIServer, finishes

QUOTES: Quotes = {
    "AAPL": {date: (f"{150 + n}.{11 + n}", f"{151 + n}.{31 + n}") for n, date in enumerate(TEN_DAYS)}
}
DAYS = TEN_DAYS[:3]
FORESEEN = f"AAPL will close at {QUOTES['AAPL'][DAYS[2]][1]}."


def arena_with_a_prophet(folder: Path, endpoint: OpenAIServer) -> ArenaHome:
    """A model that knows on its second day what the third will close at, beside cash."""
    endpoint.respond(M, lambda request: finishes(FORESEEN if request.date == DAYS[1] else "I wait."))
    arena = priced_arena(folder, [baseline("cash"), model(M, endpoint.base_url)], QUOTES)
    arena = ArenaHome(arena.folder, {**arena.environ, KEY_VARIABLE: KEY})
    arena.ok("run", "--end", DAYS[-1])
    return arena


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory, running_endpoint: OpenAIServer) -> ArenaHome:
    """Run once; the tests only look at it, or make its tables again."""
    return arena_with_a_prophet(tmp_path_factory.mktemp("prophet"), running_endpoint)


def counts(arena: ArenaHome) -> list[tuple[str, str, int, int]]:
    rows = arena.rows("SELECT model, date, told, said FROM leak_counts ORDER BY ALL")
    return [(model, str(date), told, said) for model, date, told, said in rows]


def found(arena: ArenaHome) -> dg.AssetCheckEvaluation:
    """What the check says of the days when their tables are made again."""
    result = arena.materialise(*BOOKS, partition_key=f"{DAYS[1]}|{M}")
    assert result.success
    (evaluation,) = (e for e in result.get_asset_check_evaluations() if e.check_name == NO_LEAKS)
    return evaluation


def test_every_session_has_its_counts_and_what_was_found_is_told(arena: ArenaHome) -> None:
    clean = [("cash", date, 0, 0) for date in DAYS]
    assert counts(arena) == [*clean, (M, DAYS[0], 0, 0), (M, DAYS[1], 0, 1), (M, DAYS[2], 0, 0)]
    ((model_, date, step, source, kind, symbol, value, of_date, text, role),) = arena.rows(
        "SELECT f.model, f.date::VARCHAR, step_number, source, kind, symbol, value, of_date::VARCHAR, text, role "
        "FROM leak_findings AS f JOIN reasoning_logs USING (date, model, step_number)"
    )
    assert (model_, date, step, role) == (M, DAYS[1], 3, "assistant")
    assert (source, kind, symbol, value, of_date) == ("said", "later_price", "AAPL", "153.33", DAYS[2])
    assert text == f"{FORESEEN} <FINISH_SIGNAL>"


def test_the_board_counts_them_per_model_and_has_none_of_who_has_no_transcript(arena: ArenaHome) -> None:
    board = arena.rows("SELECT model, leaks_told, leaks_said FROM leaderboard")
    assert {row for row in board if row[0] in ("cash", M)} == {("cash", 0, 0), (M, 0, 1)}
    assert {row[1:] for row in board if row[0] not in ("cash", M)} == {(None, None)}
    asked = arena.ok("leaderboard", "--date", DAYS[0], "--format", "json").json["leaderboard"]
    assert {row["model"]: row["leaks_said"] for row in asked if row["kind"] == "model"} == {M: 0}


def test_the_check_warns_with_the_numbers_and_blocks_nothing(arena: ArenaHome) -> None:
    evaluation = found(arena)
    assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.WARN)
    metadata = {name: value.value for name, value in evaluation.metadata.items()}
    assert metadata == {"told": 0, "said": 1, "models": {M: {"told": 0, "said": 1}}}


@pytest.mark.slow
def test_a_session_that_is_run_again_is_looked_through_again(tmp_path: Path, endpoint: OpenAIServer) -> None:
    arena = arena_with_a_prophet(tmp_path, endpoint)
    endpoint.respond(M, lambda _: finishes("I wait."))
    arena.ok("run", "--start", DAYS[1], "--end", DAYS[-1], "--models", M, "--replace")
    assert {row[2:] for row in counts(arena)} == {(0, 0)}
    assert arena.rows("FROM leak_findings") == []
    assert found(arena).passed
