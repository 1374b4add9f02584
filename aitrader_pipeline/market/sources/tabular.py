"""Bars from tables: a CSV or Parquet file with one bar a row, or a folder of them."""

import csv
import glob
from collections.abc import Iterator
from pathlib import Path

import duckdb

from aitrader_pipeline.errors import PriceError
from aitrader_pipeline.market.bars import PriceBatch, RawBar
from aitrader_pipeline.market.intake import BarIntake
from aitrader_pipeline.market.sources.paths import data_files, usable
from aitrader_pipeline.store.sql import statement

COLUMNS = ("symbol", "date", "open", "high", "low", "close", "volume")
_WANTED = f"a CSV or Parquet file, or a folder of them, with the columns {', '.join(COLUMNS)}"
_PARQUET = ".parquet"
_CHUNK_ROWS = 10_000


class TabularSource:
    """Reads CSV and Parquet.

    Columns may stand in any order, further ones are ignored; a CSV file is comma-separated UTF-8 with one
    row a line.

    Args:
        name: The source's name, kept with each bar.
        path: A file, or a folder whose `.csv` and `.parquet` files are read in the order of their names.
    """

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.path = path

    def read(self, calendar_name: str) -> PriceBatch:
        """Read every row; see `PriceSource.read`."""
        intake = BarIntake(calendar_name)
        for file in data_files(self.path, (".csv", _PARQUET), _WANTED):
            if file.suffix.lower() == _PARQUET:
                _read_parquet(file, intake)
            else:
                _read_csv(file, intake)
        return usable(intake.batch(self.name), self.path, _WANTED)


def _read_csv(file: Path, intake: BarIntake) -> None:
    # A byte that is no UTF-8 spoils its own row alone, and so does a quote that is never closed:
    # every physical line is a row of its own.
    with file.open(encoding="utf-8-sig", errors="replace") as lines:
        header = _cells(next(lines, ""))
        places = _places(file, header)
        for number, line in enumerate(lines, start=2):
            if not line.strip():
                continue
            try:
                cells = _cells(line)
            except csv.Error as error:
                intake.refuse(f"the line is no CSV: {error}", file=file.name, line=number)
                continue
            if len(cells) != len(header):
                reason = f"{len(cells)} values where the header names {len(header)} columns"
                intake.refuse(reason, file=file.name, line=number)
                continue
            symbol, date, *values = (cells[place] for place in places)
            intake.add(RawBar(*values), symbol=symbol, date=date, file=file.name, line=number)


def _cells(line: str) -> list[str]:
    return next(csv.reader((line,)), [])


def _read_parquet(file: Path, intake: BarIntake) -> None:
    try:
        # A row's number says where it is; Parquet has no lines.
        for number, (symbol, date, *values) in enumerate(_parquet_rows(file), start=1):
            place = f"row {number}"
            intake.add(RawBar(*values), symbol=symbol, date=date, file=file.name, line=None, place=place)
    except duckdb.Error as error:
        reason = f"the file cannot be read as Parquet: {str(error).splitlines()[0]}"
        intake.refuse(reason, file=file.name, line=None)


def _parquet_rows(file: Path) -> Iterator[tuple[str | None, ...]]:
    # DuckDB takes the path for a pattern, and fetches missing extensions unless told not to.
    pattern = [glob.escape(str(file))]
    with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as con:
        described = con.execute(statement("aitrader_pipeline.market", "describe_parquet"), pattern).fetchall()
        _places(file, [str(row[0]) for row in described])
        con.execute(statement("aitrader_pipeline.market", "read_parquet"), pattern)
        while rows := con.fetchmany(_CHUNK_ROWS):
            yield from rows


def _places(file: Path, header: list[str]) -> list[int]:
    """Find each needed column's place in a file's header, without regard to case and surrounding space."""
    names = [name.strip().lower() for name in header]
    missing = [column for column in COLUMNS if column not in names]
    if missing:
        found = ", ".join(header) or "nothing"
        raise PriceError(f"{file}: no column {', '.join(missing)} (found: {found}); needed is {_WANTED}")
    return [names.index(column) for column in COLUMNS]
