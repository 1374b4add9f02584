"""The command line: answers on standard output, messages on standard error, and what its exit status means."""

import csv
import io
import json
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from aitrader_pipeline_tests.arena_homes import ArenaHome, priced_arena, reconfigure
from aitrader_pipeline_tests.markets import GOLDEN, OCT_02, OCT_03, OCT_06, OCT_07, baseline, cells_of
from aitrader_pipeline_tests.recorded_books import M, golden_book, stating, write_book

ROSTER = (baseline("cash"), baseline("buy_and_hold"))
HEADER = "symbol,date,open,high,low,close,volume"


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> ArenaHome:
    """An arena that has run, with an imported book in it; the tests only read from it."""
    folder = tmp_path_factory.mktemp("golden")
    arena = priced_arena(folder, ROSTER, GOLDEN, last=OCT_07)
    write_book(folder, golden_book())
    arena.ok("import-books", str(folder / "books"))
    arena.ok("run")
    return arena


@pytest.fixture
def fresh(tmp_path: Path) -> ArenaHome:
    """The same arena before anything was done in it."""
    return priced_arena(tmp_path, ROSTER, GOLDEN, last=OCT_07)


def refused(arena: ArenaHome, *words: str, status: int) -> str:
    """What a command says that has to fail; it answers nothing and shows no traceback."""
    answer = arena.aitrader(*words)
    assert answer.status == status, answer.err
    assert answer.out == ""
    assert "Traceback" not in answer.err
    return answer.said


# --- reading ---

READING: dict[str, tuple[list[str], list[str]]] = {
    "leaderboard": (
        ["leaderboard"],
        ["rank", "model", "kind", "date", "portfolio_value", "cumulative_return_pct"],
    ),
    "timeseries": (["timeseries", M], ["date", "portfolio_value", "daily_profit", "daily_return_pct"]),
    "results": (["results", "--date", OCT_02], ["model", "cash", "holdings", "profit", "return_pct"]),
}


@pytest.mark.parametrize(("words", "columns"), READING.values(), ids=READING)
def test_an_answer_is_on_standard_output_and_nothing_else_is(
    golden: ArenaHome, words: list[str], columns: list[str]
) -> None:
    for output in ("json", "csv", "table"):
        answer = golden.ok(*words, "--format", output)
        assert answer.err == ""
        if output == "json":
            assert isinstance(answer.json, dict)
        if output == "csv":
            rows = list(csv.DictReader(io.StringIO(answer.out)))
            assert list(rows[0])[: len(columns)] == columns
            assert len(rows) == (3 if words[0] == "results" else 4)


def test_the_leaderboard_is_the_same_in_every_format(golden: ArenaHome) -> None:
    standings = golden.ok("leaderboard", "--format", "json").json["leaderboard"]
    rows = list(csv.DictReader(io.StringIO(golden.ok("leaderboard", "--format", "csv").out)))
    assert [(s["model"], s["portfolio_value"]) for s in standings] == [
        ("buy_and_hold", 11151.0),
        (M, 10403.0),
        ("=cash", 10000.0),
        ("cash", 10000.0),
    ]
    assert [(r["model"], float(r["portfolio_value"])) for r in rows] == [
        (s["model"], s["portfolio_value"]) for s in standings
    ]
    table = golden.ok("leaderboard").out
    assert f"Leaderboard at the close of {OCT_07}, in USD" in table
    assert [line for line in table.splitlines() if M in line and "10,403.00" in line and "4.03 %" in line]


def test_what_is_undefined_is_null_in_json_empty_in_csv_and_a_dash_in_a_table(golden: ArenaHome) -> None:
    (cash,) = [s for s in golden.ok("leaderboard", "--format", "json").json["leaderboard"] if s["model"] == "cash"]
    assert cash["sharpe_ratio"] is None
    (row,) = [
        r
        for r in csv.DictReader(io.StringIO(golden.ok("leaderboard", "--format", "csv").out))
        if r["model"] == "cash"
    ]
    assert row["sharpe_ratio"] == ""
    (line,) = [line for line in golden.ok("leaderboard").out.splitlines() if " cash " in line]
    assert [cell.strip() for cell in line.split("│")][6] == "-"


def test_a_range_of_a_series_has_both_its_ends(golden: ArenaHome) -> None:
    answer = golden.ok("timeseries", M, "--start", OCT_03, "--end", OCT_06, "--format", "json")
    assert [row["date"] for row in answer.json["timeseries"]] == [OCT_03, OCT_06]


def test_full_results_show_trades_and_reasoning(golden: ArenaHome) -> None:
    words = ("results", "--date", OCT_02, "--model", "buy_and_hold", "--detail", "full")
    (result,) = golden.ok(*words, "--format", "json").json["results"]
    assert result["trades"]
    assert result["ai_reasoning"]["stop_signal_received"] is True
    table = golden.ok(*words).out
    trade = result["trades"][0]
    assert f"{trade['action']} {trade['symbol']} {trade['amount']} at {trade['price']}" in table


NOT_THERE: dict[str, tuple[list[str], str]] = {
    "results of a weekend": (
        ["results", "--date", "2025-10-04"],
        f"error: there is no result for 2025-10-04; results run from {OCT_02} to {OCT_07}",
    ),
    "results of an unknown model": (
        ["results", "--date", OCT_02, "--model", "nobody"],
        f"error: there is no result for {OCT_02} and model nobody; results run from {OCT_02} to {OCT_07}",
    ),
    "the series of an unknown model": (
        ["timeseries", "nobody"],
        f"error: there is no series of nobody in that range; there are series of: =cash, buy_and_hold, cash, {M}",
    ),
    "a leaderboard of a weekend": (
        ["leaderboard", "--date", "2025-10-04"],
        "error: nobody has a scored session on 2025-10-04",
    ),
}


@pytest.mark.parametrize(("words", "told"), NOT_THERE.values(), ids=NOT_THERE)
def test_what_is_not_there_is_told_with_what_there_is(golden: ArenaHome, words: list[str], told: str) -> None:
    assert refused(golden, *words, status=1) == told


@pytest.mark.parametrize("words", [words for words, _ in READING.values()], ids=READING)
def test_before_the_first_run_a_reader_is_told_to_run_it(fresh: ArenaHome, words: list[str]) -> None:
    assert "there are no results" in (told := refused(fresh, *words, status=1))
    assert told.endswith("run `aitrader run` first")
    assert not fresh.home.exists()


# --- calls that are wrong ---

WRONG_CALLS: dict[str, tuple[list[str], str]] = {
    "no command": ([], "Commands: "),
    "an unknown command": (["frobnicate"], "No such command 'frobnicate'"),
    "an unknown format": (["leaderboard", "--format", "xml"], "'xml' is not one of 'table', 'json', 'csv'"),
    "a missing option": (["results"], "Missing option '--date'"),
    "an unknown detail": (["results", "--date", OCT_02, "--detail", "some"], "use minimal or full"),
    "a date in short": (["results", "--date", "2025-1-2"], "'2025-1-2' is no date; write YYYY-MM-DD"),
    "a date without dashes": (["run", "--start", "20251002"], "'20251002' is no date; write YYYY-MM-DD"),
    "a day that no month has": (["leaderboard", "--date", "2025-02-30"], "'2025-02-30' is no date"),
    "a week": (["timeseries", M, "--start", "2025-W40-4"], "'2025-W40-4' is no date"),
    "a date in other digits": (["run", "--end", "\uff12\uff10\uff12\uff15-10-02"], "is no date; write YYYY-MM-DD"),
    "no model in the list": (["run", "--models", " , "], "--models names no model; separate signatures by commas"),
    "an unknown model": (["run", "--models", "cash,nobody"], "unknown model nobody; config.json enables: cash"),
    "a session that is none": (
        ["run", "--start", "2025-10-04"],
        f"--start 2025-10-04: no session of the exchange; the nearest are {OCT_03} and {OCT_06}",
    ),
    "a day after the arena's last": (
        ["run", "--end", "2025-10-08"],
        f"--end 2025-10-08: the arena's sessions run from {OCT_02} to {OCT_07}",
    ),
    "a slice that ends before it starts": (
        ["run", "--start", OCT_07, "--end", OCT_02],
        "there is no session to run",
    ),
}


@pytest.mark.parametrize(("words", "told"), WRONG_CALLS.values(), ids=WRONG_CALLS)
def test_a_wrong_call_ends_with_2_and_says_what_would_be_right(
    golden: ArenaHome, words: list[str], told: str
) -> None:
    before = golden.launches()
    assert told in refused(golden, *words, status=2)
    assert golden.launches() == before


@pytest.mark.parametrize("command", [["run"], ["leaderboard"], ["doctor"], ["import-books", "books"]])
def test_a_wrong_config_ends_any_command_with_2_and_names_the_field(fresh: ArenaHome, command: list[str]) -> None:
    reconfigure(fresh, agent_config={"max_step": 5})
    told = refused(fresh, *command, status=2)
    assert "config.json: 1 problem" in told
    assert "agent_config.max_step: is not a known key; did you mean 'max_steps'?" in told
    assert not fresh.home.exists()


def test_a_config_that_is_not_there_is_named(fresh: ArenaHome) -> None:
    arena = ArenaHome(fresh.folder, {"AITRADER_CONFIG": str(fresh.folder / "gone.json")})
    assert "gone.json" in refused(arena, "run", status=2)


def test_a_home_inside_a_file_or_behind_a_broken_link_is_told(fresh: ArenaHome) -> None:
    inside = ArenaHome(fresh.folder, {**fresh.environ, "AITRADER_HOME": str(fresh.folder / "prices.csv" / "home")})
    assert "prices.csv is not a folder; name one" in refused(inside, "run", status=2)
    (fresh.folder / "link").symlink_to(fresh.folder / "gone")
    assert "cannot be written" in refused(fresh.beside("link"), "run", status=2)


@pytest.mark.slow
def test_a_model_that_is_switched_off_runs_no_new_session_and_says_so(fresh: ArenaHome) -> None:
    fresh.ok("run", "--end", OCT_02)
    reconfigure(fresh, models=[baseline("cash"), {**baseline("buy_and_hold"), "enabled": False}])
    told = refused(fresh, "run", "--models", "buy_and_hold", status=2)
    assert "buy_and_hold: not enabled in config.json; what is recorded stands" in told
    fresh.ok("run")
    assert set(fresh.all_records()) == cells_of("cash", (OCT_02, OCT_03, OCT_06, OCT_07)) | cells_of(
        "buy_and_hold", OCT_02
    )


# --- running ---


def test_a_run_says_how_much_it_did_and_again_that_it_is_up_to_date(fresh: ArenaHome) -> None:
    first = fresh.ok("run", "--models", "cash", "--end", OCT_03)
    assert "2 of 2 model-days run; 0 stood already." in first.said
    rest = fresh.ok("run")
    assert "6 of 6 model-days run; 2 stood already." in rest.said
    again = fresh.ok("run")
    assert again.said == f"Up to date: 8 model-days stand through {OCT_07}."
    assert first.out == rest.out == again.out == ""


@pytest.mark.slow
def test_an_env_file_of_the_folder_is_read_and_what_is_set_already_wins(fresh: ArenaHome) -> None:
    (fresh.folder / ".env").write_text("AITRADER_CONFIG=config.json\nAITRADER_HOME=other\n", encoding="utf-8")
    dotted = ArenaHome(fresh.folder)
    dotted.ok("run", "--end", OCT_02)
    assert set(fresh.all_records()) == cells_of(("cash", "buy_and_hold"), OCT_02)
    assert not (fresh.folder / "other").exists()


# --- prices ---


def prices_of(arena: ArenaHome) -> list[tuple[Any, ...]]:
    return arena.rows("SELECT symbol, date, open, close FROM prices ORDER BY symbol, date")


@pytest.mark.slow
def test_bad_corporate_actions_are_listed_and_the_good_ones_applied(tmp_path: Path) -> None:
    lines = [f"AAPL,{OCT_03},split,2", f"AAPL,{OCT_03},gift,2"]
    arena = priced_arena(tmp_path, [baseline("buy_and_hold")], GOLDEN, actions=lines)
    answer = arena.ok("run", "--end", OCT_03)
    assert "1 rows of the source are refused, all others are loaded:" in answer.said
    assert "corporate_actions.csv, line 3: AAPL 2025-10-03: kind 'gift' is none of" in answer.said
    assert arena.rows("SELECT count(*) FROM positions WHERE action_type = 'split'") == [(1,)]


@pytest.mark.slow
def test_bad_bars_are_listed_and_the_good_ones_loaded(fresh: ArenaHome) -> None:
    file = fresh.folder / "prices.csv"
    good = file.read_text(encoding="utf-8")
    file.write_text(
        good + f"AAPL,2025-10-08,-1,2,1,1,1\nMSFT,2025-10-04,1,1,1,1,1\nIBM,{OCT_02},5,4,3,4,1\n", encoding="utf-8"
    )
    answer = fresh.ok("run", "--end", OCT_02)
    assert "3 rows of the source are refused, all others are loaded:" in answer.said
    lines = answer.err.splitlines()
    assert [line for line in lines if "prices.csv" in line and "14" in line and "AAPL" in line]
    assert [line for line in lines if "prices.csv" in line and "15" in line and "no session" in line]
    assert [line for line in lines if "prices.csv" in line and "16" in line and "IBM" in line]
    assert len(prices_of(fresh)) == 12


@pytest.mark.slow
def test_no_more_than_ten_bad_bars_are_shown(fresh: ArenaHome) -> None:
    with (fresh.folder / "prices.csv").open("a", encoding="utf-8") as file:
        file.writelines(f"BAD{number},{OCT_02},0,1,1,1,1\n" for number in range(12))
    answer = fresh.ok("run", "--end", OCT_02)
    assert "BAD9" in answer.said
    assert "BAD10" not in answer.said
    assert "... and 2 more" in answer.said


BROKEN_FILES: dict[str, tuple[str | None, str]] = {
    "no file": (None, "no such file or folder"),
    "an empty file": ("", "the file is empty"),
    "another table": ("a,b\n1,2\n", "no column symbol"),
    "no good bar": (f"{HEADER}\nAAPL,{OCT_02},0,0,0,0,0\n", "no usable bar in it"),
}


@pytest.mark.parametrize(("text", "told"), BROKEN_FILES.values(), ids=BROKEN_FILES)
def test_prices_that_cannot_be_read_end_with_1_and_lose_nothing(
    golden: ArenaHome, tmp_path: Path, text: str | None, told: str
) -> None:
    shutil.copytree(golden.folder, tmp_path / "copy")
    arena = ArenaHome(tmp_path / "copy", {"AITRADER_CONFIG": str(tmp_path / "copy" / "config.json")})
    file = arena.folder / "prices.csv"
    file.unlink()
    if text is not None:
        file.write_text(text, encoding="utf-8")
    before, records = arena.tables(), arena.launches()
    message = refused(arena, "run", status=1)
    assert message.startswith("error: prices could not be loaded: ")
    assert told in message
    assert "prices.csv" in message
    assert (arena.tables(), arena.launches()) == (before, records)


# --- books ---


def test_a_book_is_imported_scored_and_ranked_by_one_command(fresh: ArenaHome) -> None:
    book = write_book(fresh.folder, golden_book())
    answer = fresh.ok("import-books", "books")
    assert answer.said == f"{M}: 4 sessions from books/{book.relative_to(fresh.folder / 'books')}"
    assert answer.out == ""
    assert fresh.rows("SELECT model, portfolio_value, trades FROM leaderboard WHERE kind <> 'benchmark'") == [
        (M, Decimal(10403), 7)
    ]


@pytest.mark.slow
def test_a_book_with_breaches_is_refused_line_by_line_unless_it_is_taken_with_them(fresh: ArenaHome) -> None:
    rows = golden_book()
    stating(2, CASH=6001.0)(rows)
    write_book(fresh.folder, rows)
    told = refused(fresh, "import-books", "books", status=1)
    assert "breach" in told
    assert "line 3" in told
    assert "--accept-breaches" in told
    assert fresh.all_records() == {}
    answer = fresh.ok("import-books", "books", "--accept-breaches")
    assert "breaches flagged" in answer.said
    assert set(fresh.all_records()) == cells_of(M, (OCT_02, OCT_03, OCT_06, OCT_07))


def test_one_bad_book_keeps_all_of_them_out(fresh: ArenaHome) -> None:
    write_book(fresh.folder, golden_book())
    bad = golden_book()
    stating(1, CASH=1.0)(bad)
    write_book(fresh.folder, bad, model="model-b")
    refused(fresh, "import-books", "books", status=1)
    assert fresh.all_records() == {}


@pytest.mark.slow
def test_a_book_that_is_imported_again_with_fewer_days_leaves_no_row_of_the_others(fresh: ArenaHome) -> None:
    write_book(fresh.folder, golden_book())
    fresh.ok("import-books", "books")
    write_book(fresh.folder, golden_book()[:5])
    fresh.ok("import-books", "books")
    assert set(fresh.all_records()) == cells_of(M, (OCT_02, OCT_03))
    dates = [str(date) for (date,) in fresh.rows("SELECT DISTINCT date FROM positions ORDER BY date")]
    assert dates == [OCT_02, OCT_03]
    assert fresh.rows("SELECT sessions, portfolio_value FROM leaderboard WHERE kind <> 'benchmark'") == [
        (2, Decimal(10450))
    ]


def test_a_folder_without_books_is_told(fresh: ArenaHome) -> None:
    (fresh.folder / "empty").mkdir()
    assert "no books in it" in refused(fresh, "import-books", "empty", status=1)
    assert "no such folder" in refused(fresh, "import-books", "nowhere", status=1)


# --- processes ---


def test_a_process_of_its_own_answers_with_clean_json_and_exit_status_0(golden: ArenaHome) -> None:
    process = golden.start("leaderboard", "--format", "json")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert [standing["rank"] for standing in json.loads(out)["leaderboard"]] == [1, 2, 3, 3]


def test_a_process_of_its_own_fails_with_its_message_alone(golden: ArenaHome) -> None:
    process = golden.start("results", "--date", "2025-10-04")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert err == f"error: there is no result for 2025-10-04; results run from {OCT_02} to {OCT_07}\n"
