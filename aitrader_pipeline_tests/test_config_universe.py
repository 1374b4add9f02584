"""The universe in a config: symbols, and the days between which they are members."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from aitrader_pipeline.config import ArenaConfig, explain
from aitrader_pipeline.config_universe import sectors_of
from aitrader_pipeline.errors import ConfigError
from aitrader_pipeline_tests.markets import baseline

PALANTIR = {"symbol": "pltr", "from": "2024-12-23"}
MODERNA = {"symbol": "MRNA", "to": "2024-12-20"}


def config_of(folder: Path, entries: object, **market: Any) -> ArenaConfig:
    document = {
        "date_range": {"init_date": "2024-12-02"},
        "models": [baseline("cash")],
        "agent_config": {"stock_symbols": entries},
        "market": market,
    }
    path = folder / "arena.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return ArenaConfig.load(path)


def hash_of(folder: Path, entries: object, **market: Any) -> str:
    return config_of(folder, entries, **market).settings_hash("cash")


def test_a_member_is_one_from_its_first_day_to_its_last_both_included(tmp_path: Path) -> None:
    agent = config_of(tmp_path, ["AAPL", PALANTIR, MODERNA, "MSFT"]).agent_config
    assert agent.members(date(2024, 12, 20)) == ("AAPL", "MRNA", "MSFT")
    assert agent.members(date(2024, 12, 21)) == ("AAPL", "MSFT")
    assert agent.members(date(2024, 12, 23)) == ("AAPL", "PLTR", "MSFT")


def test_a_symbol_that_came_back_has_an_entry_for_each_time(tmp_path: Path) -> None:
    times = [{"symbol": "X", "to": "2020-06-30"}, {"symbol": "X", "from": "2024-01-02"}]
    agent = config_of(tmp_path, times).agent_config
    held = [agent.members(date(year, 7, 1)) for year in (2019, 2020, 2023, 2024)]
    assert held == [("X",), (), (), ("X",)]


def test_a_file_may_hold_such_entries(tmp_path: Path) -> None:
    (tmp_path / "symbols.json").write_text(json.dumps(["AAPL", PALANTIR]), encoding="utf-8")
    assert hash_of(tmp_path, "symbols.json") == hash_of(tmp_path, ["AAPL", PALANTIR])


def test_a_sector_is_known_by_the_symbol_and_changes_no_setting_of_a_session(tmp_path: Path) -> None:
    entries = ["AAPL", {"symbol": "msft", "sector": " Software "}, {**PALANTIR, "sector": "Software"}]
    assert sectors_of(config_of(tmp_path, entries).agent_config.stock_symbols or ()) == {
        "MSFT": "Software",
        "PLTR": "Software",
    }
    assert hash_of(tmp_path, entries) == hash_of(tmp_path, ["AAPL", "MSFT", PALANTIR])


@pytest.mark.parametrize("sector", ["", "  ", 7])
def test_a_sector_that_is_no_text_is_refused(sector: object, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has a sector that is no text; leave it out where it is not known"):
        config_of(tmp_path, [{"symbol": "AAPL", "sector": sector}])


def test_the_settings_tell_of_the_dates(tmp_path: Path) -> None:
    rows = dict(explain(config_of(tmp_path, ["AAPL", PALANTIR, MODERNA])))
    assert rows["agent_config.stock_symbols"] == "3: AAPL, PLTR from 2024-12-23, MRNA to 2024-12-20"


def test_the_hash_depends_on_the_dates_the_lot_and_the_currency(tmp_path: Path) -> None:
    variants = [
        hash_of(tmp_path, ["AAPL", "PLTR"]),
        hash_of(tmp_path, ["AAPL", PALANTIR]),
        hash_of(tmp_path, ["AAPL", {**PALANTIR, "from": "2024-12-24"}]),
        hash_of(tmp_path, ["AAPL", "PLTR"], lot_size=10),
        hash_of(tmp_path, ["AAPL", "PLTR"], currency="EUR"),
    ]
    assert len(set(variants)) == 5
    assert hash_of(tmp_path, ["AAPL", {"symbol": "PLTR"}]) == variants[0]
    assert hash_of(tmp_path, ["AAPL", "PLTR"], lot_size=1, currency="USD") == variants[0]


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (
            {"symbol": "X", "since": "2024-01-02"},
            "'since' is not known in an entry; it has symbol, from, to, sector",
        ),
        (
            {"from": "2024-01-02"},
            "has no symbol in quotes; an entry is such as {'symbol': 'AAPL', 'from': '2024-12-23'}",
        ),
        ({"symbol": "A B"}, "'A B' is not a symbol; use letters, digits, '.' and '-', such as 'AAPL'"),
        ({"symbol": "X", "from": "2024-02-30"}, "'2024-02-30' is not a day of the calendar; check month and day"),
        ({"symbol": "X", "to": 2024}, "2024 is not a date; use YYYY-MM-DD in quotes, such as '2025-10-01'"),
        (
            {"symbol": "X", "from": "2024-02-02", "to": "2024-02-01"},
            "ends on 2024-02-01, before it begins on 2024-02-02",
        ),
    ],
)
def test_a_wrong_entry_is_told_with_its_place(tmp_path: Path, entry: object, problem: str) -> None:
    with pytest.raises(ConfigError) as error:
        config_of(tmp_path, ["AAPL", entry])
    assert str(error.value).splitlines()[1:] == [f"agent_config.stock_symbols[1]: {problem}"]


@pytest.mark.parametrize(
    "entries",
    [["AAPL", {"symbol": "AAPL", "from": "2024-01-02"}], [PALANTIR, {"symbol": "PLTR", "to": "2024-12-23"}]],
)
def test_a_symbol_that_is_a_member_twice_on_a_day_is_refused(tmp_path: Path, entries: list[object]) -> None:
    with pytest.raises(ConfigError, match=r"given more than once: (AAPL|PLTR); each symbol stands once"):
        config_of(tmp_path, entries)
