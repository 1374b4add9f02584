"""The command `aitrader metrics`: return, risk and trades of models over a range."""

from typing import Annotated, Any

import typer

from aitrader_pipeline.cli_options import First, Format, Last
from aitrader_pipeline.config import load_settings
from aitrader_pipeline.money import cents
from aitrader_pipeline.results.metrics import get_metrics
from aitrader_pipeline.results.queries import Row
from aitrader_pipeline.results.render import OutputFormat, show

# Profit factor says so itself where there are no losses.
_NOT_IN_TABLE = ("model", "undefined", "no_losses")
_PERCENTAGES = ("win_rate",)


def metrics(
    models: Annotated[
        list[str] | None, typer.Argument(metavar="MODEL", help="Signatures, or benchmarks; default: all.")
    ] = None,
    start: First = None,
    end: Last = None,
    output: Format = OutputFormat.TABLE,
) -> None:
    """Return, risk, trades and costs over a range; an undefined figure comes with the reason."""
    settings = load_settings()
    answer = get_metrics(
        settings.mart_path,
        models or (),
        start,
        end,
        risk_free_rate=settings.config.metrics.risk_free_rate,
    )
    found: list[Row] = answer["metrics"]
    rows = _figures_by_model(found) if output is OutputFormat.TABLE else list(map(_flat, found))
    show(answer, rows, output, title="Metrics")


def _figures_by_model(found: list[Row]) -> list[Row]:
    """A row for each figure, a column for each model."""
    figures = [name for name in found[0] if name not in _NOT_IN_TABLE]
    return [
        {"figure": name.removesuffix("_pct").replace("_", " ")} | {row["model"]: _cell(name, row) for row in found}
        for name in figures
    ]


def _cell(name: str, row: Row) -> str:
    value: Any = row[name]
    if value is None:
        return f"- ({row['undefined'][name]})"
    if not isinstance(value, float):
        return str(value)
    return f"{cents(value)} %" if name.endswith("_pct") or name in _PERCENTAGES else cents(value)


def _flat(row: Row) -> Row:
    reasons = "; ".join(f"{figure}: {reason}" for figure, reason in row["undefined"].items())
    return row | {"undefined": reasons}
