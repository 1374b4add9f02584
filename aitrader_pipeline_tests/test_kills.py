"""The crash storm of the benchmarks, in small; and that its comparison sees what a crash could leave behind."""

import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from aitrader_pipeline_tests.arena_homes import ArenaHome
from aitrader_pipeline_tests.dagster_ticks import add_run
from aitrader_pipeline_tests.markets import KEY_VARIABLE
from aitrader_pipeline_tests.openai_server import OpenAIServer, openai_server
from benchmarks.kills import Storm
from benchmarks.scripted import scripted_arena
from benchmarks.standing import complaints, differences

pytestmark = pytest.mark.slow

SECOND_DAY = Path("model=cash") / "date=2012-10-02.json"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[OpenAIServer]:
    with openai_server() as server:
        yield server


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, endpoint: OpenAIServer) -> ArenaHome:
    """A baseline and a model over three sessions."""
    arena, _ = scripted_arena(tmp_path_factory.mktemp("undisturbed"), endpoint, 2, 3, seconds=0.01)
    arena.ok("run")
    return arena


@pytest.fixture
def arena(undisturbed: ArenaHome, tmp_path: Path) -> ArenaHome:
    """A copy of it, to be damaged."""
    home = tmp_path / "home"
    shutil.copytree(undisturbed.home, home)
    return replace(undisturbed, environ={**undisturbed.environ, "AITRADER_HOME": str(home)})


@pytest.mark.daemon
@pytest.mark.timeout(600)
def test_after_kills_at_random_moments_an_arena_is_what_it_would_have_been(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    arena, cells = scripted_arena(tmp_path, endpoint, 4, 5)
    undisturbed = arena.beside("undisturbed")
    undisturbed.ok("run")
    storm = Storm(arena, undisturbed, cells, random.Random(1), pause=3)
    found = storm.rage(["run", "command", "daemon"])
    assert found == []
    assert [kill.victim for kill in storm.kills] == ["run", "command", "daemon"]
    assert storm.kills[0].standing < len(cells)


def test_an_arena_to_which_nothing_has_happened_has_nothing_to_complain_of(
    arena: ArenaHome, undisturbed: ArenaHome
) -> None:
    assert [*differences(arena, undisturbed), *complaints(arena)] == []


def lose_a_record(arena: ArenaHome) -> None:
    (arena.records.root / SECOND_DAY).unlink()


def change_a_record(arena: ArenaHome) -> None:
    path = arena.records.root / SECOND_DAY
    path.write_text(path.read_text().replace('"session_number": 2', '"session_number": 3'))


def lose_a_row(arena: ArenaHome) -> None:
    arena.corrupt("DELETE FROM llm_usage WHERE step_number = 1 AND date = DATE '2012-10-02'")


def keep_rows_of_another_launch(arena: ArenaHome) -> None:
    arena.corrupt("UPDATE positions SET job_id = 'another' WHERE model = 'cash'")


def leave_a_run(arena: ArenaHome) -> None:
    with arena.instance() as instance:
        add_run(instance, None, dg.DagsterRunStatus.STARTED)


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lose_a_record, "no record of 2012-10-02|cash"),
        (change_a_record, "the record of 2012-10-02|cash differs"),
        (lose_a_row, "llm_usage has"),
        (keep_rows_of_another_launch, "positions is older than 3 records: cash 2012-10-01"),
        (leave_a_run, "is STARTED"),
    ],
)
def test_what_a_crash_could_have_changed_is_named(
    damage: Callable[[ArenaHome], None], expected: str, arena: ArenaHome, undisturbed: ArenaHome
) -> None:
    damage(arena)
    assert expected in "\n".join(differences(arena, undisturbed))


def leave_half_a_record(arena: ArenaHome) -> None:
    (arena.records.root / SECOND_DAY).with_name(".abc.partial").touch()


def leave_a_folder_of_the_mart(arena: ArenaHome) -> None:
    arena.mart.with_name("aitrader.duckdb.tmp").mkdir()


def leave_a_table(arena: ArenaHome) -> None:
    arena.corrupt("CREATE TABLE staged (x INTEGER)")


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (leave_half_a_record, ".abc.partial"),
        (leave_a_folder_of_the_mart, "aitrader.duckdb.tmp"),
        (leave_a_table, "a table staged"),
        (lose_a_record, "1 of 1 model-days run"),
    ],
)
def test_what_a_crash_could_have_left_behind_is_named(
    damage: Callable[[ArenaHome], None], expected: str, arena: ArenaHome
) -> None:
    damage(arena)
    assert expected in "\n".join(complaints(arena))


def test_a_doctor_who_sees_a_problem_is_quoted(arena: ArenaHome) -> None:
    without_key = {name: value for name, value in arena.environ.items() if name != KEY_VARIABLE}
    assert f"{KEY_VARIABLE} is not set" in "\n".join(complaints(replace(arena, environ=without_key)))
