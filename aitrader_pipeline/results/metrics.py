"""Return, risk and trades of any models over any range, and why a figure is undefined where it is."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from aitrader_pipeline.errors import NoDataError
from aitrader_pipeline.performance.series import metrics_query, metrics_window
from aitrader_pipeline.ranking.trades import trade_statistics_query
from aitrader_pipeline.results.queries import Row, fetched
from aitrader_pipeline.store.mart import reading
from aitrader_pipeline.store.sql import statement

_PACKAGE = "aitrader_pipeline.results"
FEWEST_ANNUALISED = 63
"""Sessions under which a return is not annualised, as `performance_metrics.sql` has it."""

_NO_EQUITY = "no equity to start from"
_ONE_SESSION = "one session"
_TOO_LARGE = "too large for a number"
_NO_TRADES = "no closed trades"
_OF_TRADES = ("win_rate", "best_trade", "worst_trade", "average_holding_days")


def get_metrics(
    mart: Path,
    models: Sequence[str] = (),
    start_date: dt.date | None = None,
    end_date: dt.date | None = None,
    *,
    risk_free_rate: float = 0.0,
) -> Row:
    """Return, risk and trades over the sessions of a range, both ends included.

    Args:
        mart: the mart's file.
        models: signatures, or benchmarks; none for all.
        start_date: the first day of the range; None for the beginning.
        end_date: its last day; None for the newest session.
        risk_free_rate: annual, 0.05 for 5 %.

    Returns:
        ``{"metrics": [{"model", "return_pct", ..., "undefined": {figure: reason}}]}``, the highest return first. A
        figure that is None has its reason in ``undefined``.

    Raises:
        NoDataError: a model has no scored session in the range.
        StoreError: there is no mart yet.
    """
    relations = {"performance_metrics": metrics_query(), "trade_statistics": trade_statistics_query()}
    listing = ", ".join(f"{name} AS ({select})" for name, select in relations.items())
    query = f"WITH {listing} {statement(_PACKAGE, 'metrics_of_models')}"
    parameters = {"models": list(models) or None, **metrics_window(start_date, end_date, risk_free_rate)}
    with reading(mart) as con:
        rows = fetched(con, query, parameters)
        known = [model for (model,) in con.execute(statement(_PACKAGE, "scored_models")).fetchall()]
    missing = sorted(set(models) - {row["model"] for row in rows})
    if missing or not rows:
        raise NoDataError(
            f"there is no scored session of {', '.join(missing) or 'anybody'} in that range; "
            f"there are sessions of: {', '.join(known) or 'nobody'}"
        )
    return {"metrics": [row | {"undefined": dict(undefined_figures(row))} for row in rows]}


def undefined_figures(metrics: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Why the figures are undefined that are.

    Args:
        metrics: a row of `performance_metrics` with the figures of its closed trades.

    Yields:
        Each figure that is None, with the reason.
    """
    for figure, value in metrics.items():
        if value is None:
            yield figure, _reason(figure, metrics)


def _reason(figure: str, metrics: Mapping[str, Any]) -> str:
    of_ratios = {"volatility_pct", "sharpe_ratio", "sortino_ratio"}
    if figure in _OF_TRADES:
        return _NO_TRADES
    if figure == "profit_factor":
        return "no losses" if metrics["no_losses"] else _NO_TRADES
    if figure == "exposure_pct":
        return "no equity on any session"
    if figure in of_ratios and metrics["sessions"] < 2:
        return _ONE_SESSION
    if figure == "sharpe_ratio":
        return "the daily returns do not deviate"
    if figure == "sortino_ratio":
        return "no daily return below the risk-free rate"
    if metrics["starting_equity"] <= 0:
        return _NO_EQUITY
    if figure == "annualised_return_pct" and metrics["sessions"] < FEWEST_ANNUALISED:
        return f"fewer than {FEWEST_ANNUALISED} sessions"
    if figure == "calmar_ratio" and metrics["max_drawdown_pct"] == 0:
        return "no drawdown"
    return _TOO_LARGE
