"""The command `aitrader decisions`: who decides alike, and where two models parted."""

from typing import Annotated

import typer

from aitrader_pipeline.cli_options import First, Format, Last
from aitrader_pipeline.config import load_settings
from aitrader_pipeline.errors import CallError
from aitrader_pipeline.money import cents
from aitrader_pipeline.results.decisions import get_agreement, get_divergence
from aitrader_pipeline.results.queries import Row
from aitrader_pipeline.results.render import OutputFormat, show

_OF_TWO = 2


def decisions(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="[MODEL MODEL]", help="Two signatures: where they parted; default: all pairs."),
    ] = None,
    start: First = None,
    end: Last = None,
    output: Format = OutputFormat.TABLE,
) -> None:
    """Whether models decide alike; of two, each symbol on which they parted and what each side made of it."""
    mart = load_settings().mart_path
    if not models:
        rows = get_agreement(mart)
        show(rows, rows if output is not OutputFormat.TABLE else list(map(_pair, rows)), output, title="Agreement")
        return
    if len(models) != _OF_TWO:
        raise CallError(f"name two models, or none for all pairs, not {len(models)}")
    rows = get_divergence(mart, (models[0], models[1]), start, end)
    show(rows, rows if output is not OutputFormat.TABLE else list(map(_parting, rows)), output, title="Divergence")


def _pair(row: Row) -> Row:
    return {
        "model 1": row["model_1"],
        "model 2": row["model_2"],
        "sessions": row["sessions"],
        "agreement": _percent(100 * row["observed_agreement"]),
        "kappa": row["reason"] if row["kappa"] is None else row["kappa"],
        "parted": row["diverging"],
        "model 1 after 5 sessions": _percent(row["side_return_1_5_pct"]),
        "model 2 after 5 sessions": _percent(row["side_return_2_5_pct"]),
    }


def _parting(row: Row) -> Row:
    return {
        "date": row["date"],
        "symbol": row["symbol"],
        row["model_1"]: row["decision_1"],
        row["model_2"]: row["decision_2"],
        **{f"return after {horizon}": _percent(row[f"forward_return_{horizon}_pct"]) for horizon in (1, 5, 20)},
    }


def _percent(value: float | None) -> str | None:
    return None if value is None else f"{cents(value)} %"
