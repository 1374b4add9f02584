"""The doctor: what is configured, present and missing, and never a key."""

import csv
import io
import os
from pathlib import Path
from typing import Literal

import pytest

from aitrader_pipeline.results.doctor import Finding, examine
from aitrader_pipeline_tests.arena_homes import ArenaHome, priced_arena, reconfigure
from aitrader_pipeline_tests.markets import FLAT, KEY, KEY_VARIABLE, OCT_03, TEN_DAYS, baseline, model

M = "model-a"
ENDPOINT = "http://127.0.0.1:9/v1"


@pytest.fixture
def arena(tmp_path: Path) -> ArenaHome:
    return priced_arena(tmp_path, [baseline("cash"), baseline("buy_and_hold")], FLAT)


def with_model(folder: Path, **environ: str) -> ArenaHome:
    arena = priced_arena(folder, [baseline("cash"), model(M, ENDPOINT)], FLAT)
    return ArenaHome(arena.folder, {**arena.environ, **environ})


def findings(arena: ArenaHome) -> dict[str, Finding]:
    return {finding.what: finding for finding in examine(arena.variables)}


def test_a_new_arena_is_sound_and_lacks_only_what_its_first_run_makes(arena: ArenaHome) -> None:
    found = findings(arena)
    assert {what for what, finding in found.items() if finding.state != "ok"} == {"records", "mart"}
    assert found["records"].state == found["mart"].state == "missing"
    assert "`aitrader run` makes" in found["records"].detail
    assert found["price source"].detail == f"files: 10 bars of 1 symbols to {TEN_DAYS[-1]}"
    assert found["config"].detail == str(arena.folder / "config.json")
    assert not arena.home.exists()


def test_the_corporate_actions_are_counted_and_a_bad_one_is_named(tmp_path: Path) -> None:
    good, bad = f"AAPL,{OCT_03},split,2", f"AAPL,{OCT_03},gift,2"
    found = findings(priced_arena(tmp_path, [baseline("cash")], FLAT, actions=[good, bad]))
    told = found["corporate actions"].detail
    assert told.startswith(
        "files: 1 actions, 1 refused (first: corporate_actions.csv, line 3: AAPL 2025-10-03: kind 'gift'"
    )


def test_after_a_run_it_counts_records_and_model_days(arena: ArenaHome) -> None:
    arena.ok("run", "--end", OCT_03)
    found = findings(arena)
    assert found["records"].detail == "buy_and_hold 2, cash 2"
    assert found["mart"].detail == f"10 bars to {TEN_DAYS[-1]}, 4 model-days to {OCT_03}"
    assert {finding.state for finding in found.values()} == {"ok"}


def test_a_key_that_is_not_set_is_a_problem_that_names_the_variable(tmp_path: Path) -> None:
    finding = findings(with_model(tmp_path))[f"key of {M}"]
    assert finding.state == "problem"
    assert finding.detail == f"{KEY_VARIABLE} is not set; put the key into it or into .env"


@pytest.mark.parametrize(
    ("endpoint", "state", "detail"),
    [
        ("http://127.0.0.1:9/v1", "ok", "none: the endpoint is on this machine"),
        ("http://localhost:9/v1", "ok", "none: the endpoint is on this machine"),
        ("http://[::1]:9/v1", "ok", "none: the endpoint is on this machine"),
        (
            "http://localhost.example/v1",
            "problem",
            "OPENAI_API_KEY is not set; put the key into it or into .env",
        ),
        (None, "problem", "OPENAI_API_KEY is not set; put the key into it or into .env"),
    ],
)
def test_only_an_endpoint_on_this_machine_needs_no_key(
    tmp_path: Path, endpoint: str | None, state: Literal["ok", "problem"], detail: str
) -> None:
    entry = {**model(M, ENDPOINT, openai_api_key=None), "openai_base_url": endpoint}
    arena = priced_arena(tmp_path, [entry], FLAT)
    assert findings(arena)[f"key of {M}"] == Finding(f"key of {M}", state, detail)


def test_a_key_that_is_set_is_said_to_be_and_never_shown(tmp_path: Path) -> None:
    arena = with_model(tmp_path, **{KEY_VARIABLE: KEY})
    assert findings(arena)[f"key of {M}"] == Finding(f"key of {M}", "ok", f"{KEY_VARIABLE} is set")
    for output in ("table", "json", "csv"):
        answer = arena.ok("doctor", "--format", output)
        assert KEY not in answer.out + answer.err


def test_a_baseline_and_a_model_that_is_switched_off_need_no_key(tmp_path: Path) -> None:
    arena = priced_arena(tmp_path, [baseline("cash"), {**model(M, ENDPOINT), "enabled": False}], FLAT)
    assert not [what for what in findings(arena) if what.startswith("key of")]


def test_prices_that_cannot_be_read_are_a_problem_and_the_rest_is_still_told(arena: ArenaHome) -> None:
    (arena.folder / "prices.csv").unlink()
    found = findings(arena)
    assert found["price source"].state == "problem"
    assert "prices.csv: no such file or folder" in found["price source"].detail
    assert found["mart"].state == "missing"


def test_a_symbol_that_is_listed_without_a_price_is_a_problem(arena: ArenaHome) -> None:
    reconfigure(arena, agent_config={"stock_symbols": ["AAPL", "TSLA", "NFLX"]})
    finding = findings(arena)["price source"]
    assert finding.state == "problem"
    assert finding.detail.endswith("; without a price: NFLX, TSLA")


def test_refused_bars_are_counted_with_the_first_of_them(arena: ArenaHome) -> None:
    with (arena.folder / "prices.csv").open("a", encoding="utf-8") as file:
        file.write(f"MSFT,{OCT_03},0,1,1,1,1\nIBM,{OCT_03},0,1,1,1,1\n")
    finding = findings(arena)["price source"]
    assert finding.state == "ok"
    assert ", 2 bars refused (first: " in finding.detail
    assert "MSFT" in finding.detail


def test_a_mart_that_is_none_is_a_problem(arena: ArenaHome) -> None:
    arena.home.mkdir()
    arena.mart.write_text("this is no database", encoding="utf-8")
    finding = findings(arena)["mart"]
    assert finding.state == "problem"
    assert "aitrader.duckdb" in finding.detail


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser can write everywhere")
def test_a_home_that_cannot_be_written_is_a_problem(arena: ArenaHome) -> None:
    arena.home.mkdir(mode=0o500)
    finding = findings(arena)["home"]
    assert finding.state == "problem"
    assert "set AITRADER_HOME to a folder that can" in finding.detail


def test_the_command_ends_with_1_while_there_is_a_problem_and_with_0_else(tmp_path: Path) -> None:
    arena = with_model(tmp_path)
    sick = arena.aitrader("doctor", "--format", "csv")
    assert (sick.status, sick.err) == (1, "")
    rows = list(csv.DictReader(io.StringIO(sick.out)))
    assert [row["what"] for row in rows if row["state"] == "problem"] == [f"key of {M}"]
    healthy = with_model(tmp_path, **{KEY_VARIABLE: KEY})
    assert {finding["state"] for finding in healthy.ok("doctor", "--format", "json").json} == {"ok", "missing"}
