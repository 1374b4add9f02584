"""A small picture of every portfolio's value over time, for the asset's page."""

import base64
import datetime as dt
import io
from collections.abc import Mapping, Sequence

# Pictures are stored in Dagster's event log, at some four times their size.
_DPI = 60
_LEGEND_LIMIT = 12

Curve = Sequence[tuple[dt.date, float]]


def equity_curves(curves: Mapping[str, Curve]) -> bytes:
    """Draw cumulative returns.

    Args:
        curves: per model, in the order of the legend, sessions with the cumulative return in percent.

    Returns:
        A PNG.
    """
    # Half a second to import, which the runs that trade need not wait for.
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.axhline(0, color="grey", linewidth=0.8)
    for model, curve in curves.items():
        dates = np.array([date for date, _ in curve], dtype="datetime64[D]")
        axes.plot(dates, [value for _, value in curve], linewidth=1.4, label=model)
    axes.set_ylabel("return, %")
    axes.grid(visible=True, alpha=0.3)
    if 0 < len(curves) <= _LEGEND_LIMIT:
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    for label in axes.get_xticklabels():
        label.set_rotation(30)
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=_DPI)
    return png.getvalue()


def as_markdown(png: bytes, title: str) -> str:
    """A picture as Markdown that needs no file beside it."""
    return f"![{title}](data:image/png;base64,{base64.b64encode(png).decode()})"
