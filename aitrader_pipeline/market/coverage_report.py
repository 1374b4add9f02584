"""The coverage as people read it: a symbol a row, or a hole a row."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aitrader_pipeline.config import Settings
from aitrader_pipeline.errors import CallError, NoDataError
from aitrader_pipeline.store.mart import reading
from aitrader_pipeline.store.sql import statement

_PACKAGE = "aitrader_pipeline.market"
Row = dict[str, Any]


@dataclass(frozen=True)
class CoverageReport:
    """What is there of the bars that an arena needs.

    Attributes:
        symbols: A row per symbol: its first and newest session, sessions that are there, wanted and missing, the
            number of holes, the source of its newest bar and when that came.
        holes: A row per span of sessions without a bar, or with its open alone.
        now: The moment of the report.
    """

    symbols: Sequence[Row]
    holes: Sequence[Row]
    now: dt.datetime

    @property
    def title(self) -> str:
        """The whole in a line."""
        wanted, missing = (sum(row[name] for row in self.symbols) for name in ("wanted", "missing"))
        newest = max((str(row["newest_session"]) for row in self.symbols if row["newest_session"]), default="none")
        return (
            f"Prices: {wanted - missing:,} of {wanted:,} wanted bars of {len(self.symbols)} symbols; "
            f"newest session {newest}"
        )

    def symbol_rows(self) -> list[Row]:
        """A row per symbol, the age of what came last in words."""
        return [
            {**{name: value for name, value in row.items() if name != "fetched_at"}, "age": self._age(row)}
            for row in self.symbols
        ]

    def hole_rows(self) -> list[Row]:
        """A row per hole."""
        return list(self.holes)

    def summary_rows(self) -> list[Row]:
        """The symbols that lack something; all of them where none does."""
        lacking = [row for row in self.symbol_rows() if row["missing"] or row["open_only"]]
        return lacking or self.symbol_rows()

    def as_json(self) -> Row:
        """The whole, for programs."""
        return {"symbols": [_plain(row) for row in self.symbols], "holes": [_plain(row) for row in self.holes]}

    def _age(self, row: Row) -> str | None:
        if row["fetched_at"] is None:
            return None
        age = self.now - row["fetched_at"]
        if age < dt.timedelta(hours=1):
            return f"{age // dt.timedelta(minutes=1)} min"
        return f"{age // dt.timedelta(hours=1)} h" if age < dt.timedelta(days=3) else f"{age.days} days"


def coverage_report(settings: Settings, symbols: Sequence[str] = ()) -> CoverageReport:
    """Read the table `coverage`.

    Args:
        settings: The active arena.
        symbols: The tickers to tell of; all by default.

    Raises:
        NoDataError: There is nothing in it yet.
        CallError: A symbol is none that is wanted.
        StoreError: There is no mart yet, or it stays locked.
    """
    with reading(settings.mart_path) as con:
        found = {}
        for name in ("coverage_by_symbol", "coverage_holes"):
            answer = con.execute(statement(_PACKAGE, name))
            columns = [column[0] for column in answer.description or ()]
            found[name] = [dict(zip(columns, row, strict=True)) for row in answer.fetchall()]
    rows = found["coverage_by_symbol"]
    if not rows:
        raise NoDataError("nothing is known of the prices yet: run `aitrader run`, or materialise coverage")
    unknown = sorted(set(symbols) - {row["symbol"] for row in rows})
    if unknown:
        raise CallError(f"{', '.join(unknown)}: no such symbol in the universe (agent_config.stock_symbols)")
    wanted = set(symbols) or {row["symbol"] for row in rows}
    return CoverageReport(
        [row for row in rows if row["symbol"] in wanted],
        [row for row in found["coverage_holes"] if row["symbol"] in wanted],
        dt.datetime.now(dt.UTC),
    )


def _plain(row: Row) -> Row:
    return {name: value.isoformat() if isinstance(value, dt.date) else value for name, value in row.items()}
