"""Answers as tables for people, JSON for programs and CSV for spreadsheets; always on standard output."""

import csv
import io
import json
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from rich.console import Console
from rich.table import Table

from aitrader_pipeline.money import cents, usd

_PIPED_WIDTH = 200
_HEADINGS = {
    "portfolio_value": "value",
    "cumulative_return_pct": "return",
    "return_pct": "return",
    "daily_return_pct": "day's return",
    "daily_profit": "day's profit",
    "cumulative_profit": "profit",
    "deviation_return_pct": "return deviation",
    "in_sample_sessions": "in sample",
    "sharpe_ratio": "Sharpe",
    "max_drawdown_pct": "max drawdown",
    "drawdown_pct": "drawdown",
    "exposure_pct": "exposure",
    "inference_cost_usd": "inference USD",
    "cost_per_trade_usd": "USD per trade",
    "net_return_pct": "net return",
    "best_with_probability_pct": "P(best)",
}


class OutputFormat(StrEnum):
    """How an answer is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def show(answer: Any, rows: Sequence[Mapping[str, Any]], output: OutputFormat, *, title: str = "") -> None:  # noqa: ANN401 - any JSON value
    """Write an answer to standard output.

    Args:
        answer: the whole of it, as JSON has it.
        rows: the same as flat rows, for tables and CSV.
        output: the format.
        title: what stands over a table.
    """
    if output is OutputFormat.JSON:
        sys.stdout.write(json.dumps(answer, indent=2, ensure_ascii=False) + "\n")
    elif output is OutputFormat.CSV:
        sys.stdout.write(_csv(rows))
    else:
        console = Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH)
        console.print(_table(rows, title))


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _table(rows: Sequence[Mapping[str, Any]], title: str) -> Table:
    table = Table(title=title or None, title_justify="left")
    for name in rows[0] if rows else ():
        numeric = any(isinstance(row[name], int | float) for row in rows)
        table.add_column(_HEADINGS.get(name, name.replace("_", " ")), justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(_cell(name, value) for name, value in row.items()))
    return table


def _cell(name: str, value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float) and name.endswith("_usd"):
        return usd(value)
    if isinstance(value, float):
        return f"{cents(value)} %" if name.endswith("_pct") else cents(value)
    return str(value)
