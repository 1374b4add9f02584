"""Corporate actions: what is taken from a file and what is refused, and what a load makes of the table."""

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import duckdb
import pytest

from aitrader_pipeline.config_market import MarketConfig
from aitrader_pipeline.errors import PriceError
from aitrader_pipeline.market.actions import ActionBatch, ActionIntake, CorporateAction
from aitrader_pipeline.market.actions_table import ActionChanges, actions_hash, read_actions, save_actions
from aitrader_pipeline.market.sources.actions_csv import configured_actions, read_actions_csv
from aitrader_pipeline.store.mart import migrate, migrations

HEADER = "symbol,ex_date,kind,value,new_symbol\n"
FEB, MAR = dt.date(2005, 2, 28), dt.date(2005, 3, 1)
EARLY, LATE = dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.datetime(2026, 1, 2, tzinfo=dt.UTC)


def read(folder: Path, text: str) -> ActionBatch:
    file = folder / "actions.csv"
    file.write_text(text, encoding="utf-8")
    return read_actions_csv("files", file)


def refusals(folder: Path, line: str) -> list[str]:
    batch = read(folder, HEADER + line)
    assert batch.actions == ()
    return [str(rejected) for rejected in batch.rejected]


def split(value: str) -> CorporateAction:
    return CorporateAction("AAPL", FEB, "split", Decimal(value))


# ---- the file


def test_every_kind_of_action_is_read_with_its_values(tmp_path: Path) -> None:
    lines = (
        "msft , 2005-03-01, dividend,0.08,\nAAPL,2005-02-28,Split,2,\n"
        "FB,2022-06-09,symbol_change,,META\nSIVB,2023-03-28,delisting,,\nTWTR,2022-11-08,delisting,54.20,\n"
    )
    batch = read(tmp_path, HEADER + lines)
    assert batch.rejected == ()
    assert batch.actions == (
        CorporateAction("AAPL", FEB, "split", Decimal(2)),
        CorporateAction("FB", dt.date(2022, 6, 9), "symbol_change", None, "META"),
        CorporateAction("MSFT", MAR, "dividend", Decimal("0.08")),
        CorporateAction("SIVB", dt.date(2023, 3, 28), "delisting"),
        CorporateAction("TWTR", dt.date(2022, 11, 8), "delisting", Decimal("54.2")),
    )


def test_columns_may_stand_in_any_order_and_the_new_symbol_may_be_left_out(tmp_path: Path) -> None:
    batch = read(tmp_path, "kind,note,value,ex_date,symbol\nsplit,two for one,2,2005-02-28,AAPL\n\n")
    assert (batch.actions, batch.rejected) == ((split("2"),), ())


def test_a_header_alone_says_that_there_are_no_actions(tmp_path: Path) -> None:
    assert read(tmp_path, HEADER).actions == ()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("AAPL,2005-02-28,spinoff,2,", "kind 'spinoff' is none of split, dividend, symbol_change, delisting"),
        ("AAPL,2005-02-28,,2,", "kind is missing"),
        ("AAPL,28.2.2005,split,2,", "date '28.2.2005' is no date YYYY-MM-DD"),
        (",2005-02-28,split,2,", "symbol is missing"),
        ("AAPL,2005-02-28,split,,", "value is missing: a split needs one"),
        ("AAPL,2005-02-28,split,1,", "value 1 splits nothing: it is the shares after per share before, 2 for 2:1"),
        ("AAPL,2005-02-28,split,2:1,", "value '2:1' is no finite number"),
        ("AAPL,2005-02-28,split,-2,", "value '-2' is not above 0"),
        ("AAPL,2005-02-28,split,1e30,", f"value '1{'0' * 30}' is too large: it is below 1000000000000"),
        ("AAPL,2005-02-28,dividend,0,", "value '0' is not above 0"),
        ("AAPL,2005-02-28,dividend,0.0000001,", "value '0.0000001' is not above 0"),
        ("AAPL,2005-02-28,dividend,0.5,META", "new_symbol META belongs to a symbol_change, not to a dividend"),
        ("AAPL,2005-02-28,symbol_change,,", "new_symbol must be another ticker"),
        ("AAPL,2005-02-28,symbol_change,,aapl", "new_symbol must be another ticker"),
        (
            "AAPL,2005-02-28,symbol_change,2,APPL",
            "value 2 does not belong to a symbol_change: shares stay as they are",
        ),
        ("AAPL,2005-02-28,split,2", "4 values where the header names 5 columns"),
    ],
)
def test_a_bad_row_is_refused_with_file_line_and_reason(tmp_path: Path, line: str, reason: str) -> None:
    [told] = refusals(tmp_path, line + "\n")
    assert told.startswith("actions.csv, line 2: ")
    assert told.endswith(f": {reason}")


def test_a_bad_row_keeps_nothing_else_from_being_read(tmp_path: Path) -> None:
    batch = read(tmp_path, HEADER + "AAPL,2005-02-28,split,2,\nAAPL,never,split,2,\nAAPL,2005-03-01,dividend,1,\n")
    assert [action.kind for action in batch.actions] == ["split", "dividend"]
    assert [rejected.line for rejected in batch.rejected] == [3]


def test_a_regular_and_a_special_dividend_of_one_day_are_one_sum(tmp_path: Path) -> None:
    batch = read(tmp_path, HEADER + "MSFT,2004-11-15,dividend,3,\nMSFT,2004-11-15,dividend,0.08,\n")
    assert [action.value for action in batch.actions] == [Decimal("3.08")]


def test_a_second_split_with_another_value_is_refused_and_an_identical_one_is_harmless(tmp_path: Path) -> None:
    line = "AAPL,2005-02-28,split,{},\n"
    batch = read(tmp_path, HEADER + line.format(2) + line.format("2.0") + line.format(3))
    assert batch.actions == (split("2"),)
    assert [str(rejected) for rejected in batch.rejected] == [
        "actions.csv, line 4: AAPL 2005-02-28: second split with other values: 3; kept: 2"
    ]


def test_a_later_answer_replaces_what_an_earlier_one_said_and_sums_nothing_across() -> None:
    intake = ActionIntake()
    for file, value in [("1.json", "0.5"), ("2.json", "0.6"), ("2.json", "0.1")]:
        intake.add(symbol="MSFT", ex_date="2005-02-28", kind="dividend", value=value, file=file, line=None)
    assert [action.value for action in intake.batch("tiingo").actions] == [Decimal("0.7")]


@pytest.mark.parametrize(
    ("text", "ratio"),
    [
        ("2", Fraction(2)),
        ("0.1", Fraction(1, 10)),
        ("0.3333", Fraction(1, 3)),
        ("0.66666667", Fraction(2, 3)),
        ("1.5", Fraction(3, 2)),
        ("0.04", Fraction(1, 25)),
        ("1.998", Fraction(999, 500)),
        ("0.00066666666667", Fraction(1, 1500)),
    ],
)
def test_a_split_s_ratio_is_the_fraction_that_its_value_stands_for(
    tmp_path: Path, text: str, ratio: Fraction
) -> None:
    [action] = read(tmp_path, HEADER + f"AAPL,2005-02-28,split,{text},\n").actions
    assert action.ratio == ratio


@pytest.mark.parametrize("text", ["", "symbol,ex_date,value\n"])
def test_a_file_that_is_no_such_table_is_told_of_with_what_is_needed(tmp_path: Path, text: str) -> None:
    with pytest.raises(PriceError, match=r"actions\.csv: no column .*kind.*needed is a CSV file with the columns"):
        read(tmp_path, text)


def test_a_config_without_a_file_takes_what_its_source_brings(tmp_path: Path) -> None:
    sample = configured_actions(MarketConfig())
    assert sample is not None
    assert {action.symbol for action in sample.actions} == {"AAPL", "MSFT", "IBM"}
    assert (len(sample.actions), sample.rejected, sample.source) == (9, (), "sample")
    files = configured_actions(MarketConfig(source="files", path=tmp_path))
    assert files is not None
    assert files.actions == ()
    assert configured_actions(MarketConfig(source="tiingo")) is None


def test_a_file_that_the_config_names_stands_before_the_source_s_own(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text(HEADER + "AAPL,2005-02-28,split,2,\n", encoding="utf-8")
    for source in ("sample", "tiingo"):
        own = configured_actions(MarketConfig(source=source, corporate_actions=tmp_path / "own.csv"))
        assert own is not None
        assert own.actions == (split("2"),)


# ---- the table


@pytest.fixture
def mart(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(tmp_path / "arena.duckdb")) as con:
        migrate(con)
        yield con


def batch(*actions: CorporateAction, source: str = "files") -> ActionBatch:
    return ActionBatch(source, actions, (), "")


def save(
    mart: duckdb.DuckDBPyConnection, *actions: CorporateAction, is_whole: bool = True, adjusted: bool = False
) -> ActionChanges:
    return save_actions(mart, batch(*actions), LATE, is_whole=is_whole, adjusted=adjusted)


DIVIDEND = CorporateAction("MSFT", MAR, "dividend", Decimal("0.08"))
RENAMED = CorporateAction("FB", MAR, "symbol_change", None, "META")


def test_actions_are_read_back_as_they_were_saved_and_in_the_order_in_which_they_apply(
    mart: duckdb.DuckDBPyConnection,
) -> None:
    third = CorporateAction("MSFT", MAR, "split", Decimal("0.333333333333"))
    save(mart, split("2"), RENAMED, third, DIVIDEND)
    assert read_actions(mart).actions == (split("2"), DIVIDEND, third, RENAMED)
    assert read_actions(mart).actions[2].ratio == Fraction(1, 3)
    assert read_actions(mart, through=FEB).actions == (split("2"),)


def test_saving_the_same_actions_again_changes_nothing(mart: duckdb.DuckDBPyConnection) -> None:
    save_actions(mart, batch(split("2"), DIVIDEND), EARLY, is_whole=True)
    before, digest = mart.execute("FROM corporate_actions ORDER BY ALL").fetchall(), actions_hash(mart)
    changes = save(mart, split("2.000"), DIVIDEND)
    assert (changes.added, changes.restated, changes.unchanged, changes.revised) == ((), (), 2, {})
    assert mart.execute("FROM corporate_actions ORDER BY ALL").fetchall() == before
    assert actions_hash(mart) == digest


def test_a_restated_action_is_listed_and_its_row_alone_is_replaced(mart: duckdb.DuckDBPyConnection) -> None:
    save_actions(mart, batch(split("2"), DIVIDEND), EARLY, is_whole=True)
    changes = save(mart, split("3"), DIVIDEND)
    assert [(restated.before, restated.after) for restated in changes.restated] == [(split("2"), split("3"))]
    assert [str(restated) for restated in changes.restated] == ["AAPL 2005-02-28 split"]
    assert changes.revised == {"AAPL": [FEB]}
    assert mart.execute("SELECT symbol, value, fetched_at FROM corporate_actions ORDER BY symbol").fetchall() == [
        ("AAPL", 3, LATE),
        ("MSFT", Decimal("0.08"), EARLY),
    ]


def test_what_vanishes_from_a_file_is_removed_and_what_a_vendor_does_not_name_stays(
    mart: duckdb.DuckDBPyConnection,
) -> None:
    save(mart, split("2"), DIVIDEND)
    assert save(mart, DIVIDEND, is_whole=False).restated == ()
    assert read_actions(mart).actions == (split("2"), DIVIDEND)
    changes = save(mart, DIVIDEND)
    assert [str(restated) for restated in changes.restated] == ["AAPL 2005-02-28 split (gone)"]
    assert changes.revised == {"AAPL": [FEB]}
    assert read_actions(mart).actions == (DIVIDEND,)


@pytest.mark.parametrize("is_whole", [True, False])
def test_prices_that_are_adjusted_for_splits_have_none(mart: duckdb.DuckDBPyConnection, *, is_whole: bool) -> None:
    save(mart, split("2"), DIVIDEND)
    changes = save(mart, split("2"), DIVIDEND, is_whole=is_whole, adjusted=True)
    assert changes.revised == {"AAPL": [FEB]}
    assert read_actions(mart).actions == (DIVIDEND,)


def test_a_time_without_a_zone_is_refused(mart: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(ValueError, match="time zone"):
        save_actions(mart, batch(), dt.datetime(2026, 1, 1), is_whole=True)  # noqa: DTZ001 - what is refused


def test_a_mart_of_before_keeps_its_positions_with_their_comments_and_key(tmp_path: Path) -> None:
    path = str(tmp_path / "old.duckdb")
    with duckdb.connect(path) as con:
        for step in migrations():
            if step.version < 4:
                con.execute(step.sql)
        con.execute("CREATE TABLE schema_migrations (version INTEGER, name VARCHAR)")
        con.execute("INSERT INTO schema_migrations VALUES (3, 'inference_cost')")
        con.execute(
            "INSERT INTO positions BY NAME SELECT 'job' AS job_id, DATE '2025-10-02' AS date, 'm' AS model, "
            "0 AS action_id, 'no_trade' AS action_type, 0 AS costs, 5 AS cash, 5 AS portfolio_value, "
            "now() AS created_at"
        )
    with duckdb.connect(path) as con:
        migrate(con)
        assert con.execute("SELECT job_id, model, cash, ratio, new_symbol FROM positions").fetchall() == [
            ("job", "m", 5, None, None)
        ]
        uncommented = "SELECT column_name FROM duckdb_columns() WHERE comment IS NULL AND table_name = ?"
        assert con.execute(uncommented, ["positions"]).fetchall() == []
        with pytest.raises(duckdb.ConstraintException):
            con.execute("INSERT INTO positions FROM positions")
        with pytest.raises(duckdb.ConstraintException):
            con.execute("UPDATE positions SET action_type = 'gift'")
        con.execute("UPDATE positions SET action_type = 'delisting'")
