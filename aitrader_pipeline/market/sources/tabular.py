"""Bars from tables: a CSV or Parquet file with one bar a row, or a folder of them."""

import csv
import glob
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from pathlib import Path

import duckdb

from aitrader_pipeline.errors import PriceError
from aitrader_pipeline.market.bars import PriceBatch, RawBar
from aitrader_pipeline.market.intake import BarIntake
from aitrader_pipeline.market.plain_bars import looked_at, looking
from aitrader_pipeline.market.sources.paths import data_files, usable
from aitrader_pipeline.store.sql import statement

_PACKAGE = "aitrader_pipeline.market"
_VALUES = ("open", "high", "low", "close", "volume")
_CELLS = ("symbol", "moment", *_VALUES)
_PARQUET = ".parquet"
_BLOCK_LINES = 25_000


class TabularSource:
    """Reads CSV and Parquet.

    Args:
        name: The source's name, kept with each bar.
        path: See `read_tables`.
    """

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.path = path

    def read(self, calendar_name: str) -> PriceBatch:
        """Read every row; see `PriceSource.read`."""
        return read_tables(self.name, self.path, BarIntake(calendar_name), "date")


def read_tables(name: str, path: Path, intake: BarIntake, moment: str) -> PriceBatch:
    """Read bars from CSV and Parquet files.

    Columns may stand in any order, further ones are ignored; a CSV file is comma-separated UTF-8 with one
    row a line.

    Args:
        name: The source's name, kept with each bar.
        path: A file, or a folder whose `.csv` and `.parquet` files are read in the order of their names.
        intake: What judges the bars.
        moment: The column that says of when a bar is.

    Raises:
        PriceError: There is no bar in it; the message names the path and what is needed.
    """
    columns = ("symbol", moment, *_VALUES)
    wanted = f"a CSV or Parquet file, or a folder of them, with the columns {', '.join(columns)}"
    files = data_files(path, (".csv", _PARQUET), wanted)
    with looking() as con:
        for file in files:
            table = _Table(file, columns, wanted)
            read = _read_parquet if file.suffix.lower() == _PARQUET else _read_csv
            read(table, intake, con)
    return usable(intake.batch(name), path, wanted)


@dataclass(frozen=True)
class _Table:
    """A file, the columns that it must have, and how that is said."""

    file: Path
    columns: Sequence[str]
    wanted: str

    def places(self, header: Sequence[str]) -> list[int]:
        """Find each needed column's place in the header, without regard to case and surrounding space."""
        names = [name.strip().lower() for name in header]
        missing = [column for column in self.columns if column not in names]
        if missing:
            found = ", ".join(header) or "nothing"
            raise PriceError(
                f"{self.file}: no column {', '.join(missing)} (found: {found}); needed is {self.wanted}"
            )
        return [names.index(column) for column in self.columns]


def _read_csv(table: _Table, intake: BarIntake, con: duckdb.DuckDBPyConnection) -> None:
    # A byte that is no UTF-8 spoils its own row alone, and so does a quote that is never closed:
    # every physical line is a row of its own.
    with table.file.open(encoding="utf-8-sig", errors="replace") as lines:
        header = _cells(next(lines, ""))
        places = table.places(header)
        cells = {name: place + 1 for name, place in zip(_CELLS, places, strict=True)} | {"width": len(header)}
        read = _CsvLines(table.file.name, header, itemgetter(*places), intake)
        numbered = enumerate(lines, start=2)
        while block := list(islice(numbered, _BLOCK_LINES)):
            text = "".join(line for _, line in block).removesuffix("\n")
            con.execute(statement(_PACKAGE, "stage_csv_lines"), {"text": text, **cells})
            for (number, line), (symbol, date, ending, _) in zip(block, looked_at(con), strict=True):
                if ending is None:
                    read.carefully(number, line)
                else:
                    intake.take(ending, symbol=symbol, date=date, file=table.file.name, line=number)


@dataclass(frozen=True)
class _CsvLines:
    """The lines of a file that are not plainly good rows."""

    file: str
    header: Sequence[str]
    pick: Callable[[list[str]], tuple[str, ...]]
    intake: BarIntake

    def carefully(self, number: int, line: str) -> None:
        """Take a line in, or refuse it."""
        if not line.strip():
            return
        try:
            cells = _cells(line)
        except csv.Error as error:
            self.intake.refuse(f"the line is no CSV: {error}", file=self.file, line=number)
            return
        if len(cells) != len(self.header):
            reason = f"{len(cells)} values where the header names {len(self.header)} columns"
            self.intake.refuse(reason, file=self.file, line=number)
            return
        symbol, date, *values = self.pick(cells)
        self.intake.add(RawBar(*values), symbol=symbol, date=date, file=self.file, line=number)


def _cells(line: str) -> list[str]:
    return next(csv.reader((line,)), [])


def _read_parquet(table: _Table, intake: BarIntake, con: duckdb.DuckDBPyConnection) -> None:
    name = table.file.name
    # DuckDB takes the path for a pattern.
    path = glob.escape(str(table.file))
    try:
        described = con.execute(statement(_PACKAGE, "describe_parquet"), [path]).fetchall()
        header = [str(row[0]) for row in described]
        names = {cell: header[place] for cell, place in zip(_CELLS, table.places(header), strict=True)}
        con.execute(statement(_PACKAGE, "stage_parquet_rows"), {"path": path, **names})
    except duckdb.Error as error:
        reason = f"the file cannot be read as Parquet: {str(error).splitlines()[0]}"
        intake.refuse(reason, file=name, line=None)
        return
    # A row's number says where it is; Parquet has no lines.
    for number, (symbol, date, ending, given) in enumerate(looked_at(con), start=1):
        place = f"row {number}"
        if ending is None:
            raw = RawBar(*given or (None,))
            intake.add(raw, symbol=symbol, date=date, file=name, line=None, place=place)
        else:
            intake.take(ending, symbol=symbol, date=date, file=name, line=None, place=place)
