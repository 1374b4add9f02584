"""The two axes of the arena and its grid: which sessions, which models, and how any part of it is cut."""

import datetime as dt
from itertools import pairwise, product
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitrader_pipeline.config import Settings
from aitrader_pipeline.errors import ConfigError
from aitrader_pipeline.partitions import (
    PREVIOUS_SESSION,
    Axes,
    Block,
    axes_of,
    blocks,
    cell_of,
    partition_key_of,
)
from aitrader_pipeline.trading.chains import Cell
from aitrader_pipeline_tests.arena_homes import priced_arena, reconfigure
from aitrader_pipeline_tests.markets import FLAT, baseline, day

NEW_YORK = ZoneInfo("America/New_York")


def settings_of(
    folder: Path, first: str, last: str | None, models: tuple[str, ...] = ("cash", "random")
) -> Settings:
    arena = priced_arena(folder, [baseline(name) for name in models], FLAT)
    reconfigure(arena, date_range={"init_date": first, "end_date": last})
    return arena.settings


def axes(folder: Path, first: str, last: str | None, models: tuple[str, ...] = ("cash", "random")) -> Axes:
    return axes_of(settings_of(folder, first, last, models))


def days(*texts: str) -> list[dt.date]:
    return [day(text) for text in texts]


# --- sessions ---


def test_a_half_day_is_a_session_and_a_holiday_is_none(tmp_path: Path) -> None:
    thanksgiving = axes(tmp_path, "2012-11-20", "2012-11-27")
    assert thanksgiving.dates() == days("2012-11-20", "2012-11-21", "2012-11-23", "2012-11-26", "2012-11-27")


def test_days_on_which_the_exchange_stayed_closed_unplanned_are_no_sessions(tmp_path: Path) -> None:
    hurricane = axes(tmp_path, "2012-10-25", "2012-11-01")
    assert hurricane.dates() == days("2012-10-25", "2012-10-26", "2012-10-31", "2012-11-01")


def test_an_arena_that_begins_on_a_weekend_begins_with_the_next_session(tmp_path: Path) -> None:
    assert axes(tmp_path, "2025-10-04", "2025-10-07").dates() == days("2025-10-06", "2025-10-07")


def test_the_last_day_is_included(tmp_path: Path) -> None:
    assert axes(tmp_path, "2025-10-02", "2025-10-02").dates() == days("2025-10-02")


def test_dates_without_a_session_are_refused_and_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="XNAS has no session from 2012-10-27 to 2012-10-30") as refused:
        axes(tmp_path, "2012-10-27", "2012-10-30")
    assert str(refused.value).startswith("date_range")


@pytest.mark.parametrize(
    ("now", "newest"),
    [
        ("2025-10-08 00:01", "2025-10-08"),
        ("2025-10-08 23:59", "2025-10-08"),
        ("2025-10-11 12:00", "2025-10-13"),
        ("2025-11-27 12:00", "2025-11-28"),
    ],
    ids=["just after midnight", "late in the evening", "a Saturday", "Thanksgiving"],
)
def test_an_open_ended_arena_goes_on_to_today_s_or_the_next_session(tmp_path: Path, now: str, newest: str) -> None:
    moment = dt.datetime.fromisoformat(now).replace(tzinfo=NEW_YORK)
    keys = axes(tmp_path, "2025-10-02", None).sessions.get_partition_keys(current_time=moment)
    assert (keys[0], keys[-1]) == ("2025-10-02", newest)


# --- models ---


def test_models_stand_in_the_config_s_order_then_others_that_have_records(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, "2025-10-02", "2025-10-03", ("random", "momentum", "cash"))
    for name in ("gone", "also-gone", "momentum"):
        folder = settings.records_dir / f"model={name}"
        folder.mkdir(parents=True)
        (folder / "date=2025-10-02.json").write_text("{}", encoding="utf-8")
    (settings.records_dir / "model=empty").mkdir()
    assert axes_of(settings).models == ("random", "momentum", "cash", "also-gone", "gone")


def test_a_model_that_is_switched_off_is_on_the_axis_only_with_records(tmp_path: Path) -> None:
    arena = priced_arena(tmp_path, [baseline("cash"), {**baseline("random"), "enabled": False}], FLAT)
    assert axes_of(arena.settings).models == ("cash",)
    folder = arena.settings.records_dir / "model=random"
    folder.mkdir(parents=True)
    (folder / "date=2025-10-02.json").write_text("{}", encoding="utf-8")
    assert axes_of(arena.settings).models == ("cash", "random")


# --- the grid ---


def test_the_grid_is_every_session_of_every_model(tmp_path: Path) -> None:
    found = axes(tmp_path, "2012-11-21", "2012-11-23")
    assert set(found.grid.get_partition_keys()) == {
        "2012-11-21|cash",
        "2012-11-21|random",
        "2012-11-23|cash",
        "2012-11-23|random",
    }


def test_the_grid_s_keys_are_those_that_dagster_makes(tmp_path: Path) -> None:
    grid = axes(tmp_path, "2025-10-02", "2025-10-10").grid
    ours, dagsters = grid.get_partition_keys(), dg.MultiPartitionsDefinition.get_partition_keys(grid)
    assert ours == dagsters
    assert [key.keys_by_dimension for key in ours] == [key.keys_by_dimension for key in dagsters]


@pytest.mark.parametrize("model", ["gpt-5", "deepseek-chat-v3.1", "a_b.c-d"])
def test_a_partition_key_and_its_model_day_are_one_and_the_same(model: str) -> None:
    cell = Cell(day("2025-10-02"), model)
    assert cell_of(partition_key_of(cell)) == cell
    assert str(partition_key_of(cell)) == str(cell) == f"2025-10-02|{model}"


def test_every_cell_hangs_on_the_same_model_s_session_before_and_the_first_on_none(tmp_path: Path) -> None:
    found = axes(tmp_path, "2012-10-25", "2012-11-26")
    dates = found.dates()
    for model, (before, date) in product(found.models, zip([None, *dates], dates, strict=False)):
        subset = found.grid.subset_with_partition_keys([partition_key_of(Cell(date, model))])
        upstream = PREVIOUS_SESSION.get_upstream_mapped_partitions_result_for_partitions(
            subset, found.grid, found.grid
        ).partitions_subset
        expected = [] if before is None else [str(Cell(before, model))]
        assert list(upstream.get_partition_keys()) == expected


# --- blocks ---

DATES = days("2012-11-20", "2012-11-21", "2012-11-23", "2012-11-26", "2012-11-27")
MODELS = ("random", "cash", "momentum", "alpha")
GRID = [Cell(date, model) for date in DATES for model in MODELS]


@given(st.frozensets(st.sampled_from(GRID)))
def test_any_set_of_cells_is_cut_into_rectangles_that_hold_exactly_these_once(wanted: frozenset[Cell]) -> None:
    held = [cell for block in blocks(wanted, DATES, MODELS) for cell in block.cells(DATES)]
    assert len(held) == len(set(held))
    assert set(held) == wanted


@given(st.frozensets(st.sampled_from(GRID)))
def test_the_rectangles_of_a_model_follow_each_other_in_time(wanted: frozenset[Cell]) -> None:
    for model in MODELS:
        own = [block for block in blocks(wanted, DATES, MODELS) if model in block.models]
        assert all(before.last < after.first for before, after in pairwise(own))


def test_a_whole_grid_is_one_rectangle() -> None:
    assert blocks(GRID, DATES, MODELS) == [Block(DATES[0], DATES[-1], MODELS)]


def test_models_that_are_no_neighbours_are_rectangles_of_their_own() -> None:
    cells = [Cell(DATES[0], "random"), Cell(DATES[0], "momentum")]
    assert blocks(cells, DATES, MODELS) == [
        Block(DATES[0], DATES[0], ("random",)),
        Block(DATES[0], DATES[0], ("momentum",)),
    ]


def test_sessions_around_a_holiday_are_neighbours() -> None:
    cells = [Cell(DATES[1], "cash"), Cell(DATES[2], "cash")]
    assert blocks(cells, DATES, MODELS) == [Block(DATES[1], DATES[2], ("cash",))]


def test_dagster_selects_by_a_rectangle_s_tags_exactly_its_cells(tmp_path: Path) -> None:
    found = axes(tmp_path, "2012-11-20", "2012-11-27", ("cash", "random", "momentum"))
    block = Block(day("2012-11-21"), day("2012-11-26"), ("random", "momentum"))
    tags = block.tags()
    selected = found.grid.get_partition_keys_in_range(
        dg.PartitionKeyRange(
            tags["dagster/asset_partition_range_start"], tags["dagster/asset_partition_range_end"]
        )
    )
    assert {cell_of(key) for key in selected} == set(block.cells(found.dates()))
    assert len(selected) == 6
