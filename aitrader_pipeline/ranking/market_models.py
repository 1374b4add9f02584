"""Alpha and beta of every portfolio against every benchmark that moves."""

from collections.abc import Iterator
from typing import Any

import duckdb

from aitrader_pipeline.ranking.figures import SESSIONS_PER_YEAR
from aitrader_pipeline.ranking.market_model import Coefficient, MarketModel, market_model
from aitrader_pipeline.ranking.uncertainty import Returns, read_returns
from aitrader_pipeline.store.staging import insert_rows, row_count

_CASH = "=cash"
_COLUMNS = (
    "model", "benchmark", "sessions", "beta", "beta_standard_error", "beta_p_value", "alpha_annual_pct",
    "alpha_standard_error_annual_pct", "alpha_p_value", "r_squared", "lags", "reason",
)  # fmt: skip


def rebuild_market_models(con: duckdb.DuckDBPyConnection, *, risk_free_rate: float) -> int:
    """Fill ``market_models`` anew, inside the caller's transaction.

    Args:
        con: A connection to the mart, whose ``portfolio_timeseries`` is up to date.
        risk_free_rate: Annual, 0.05 for 5 %.

    Returns:
        The number of rows.
    """
    con.execute("DELETE FROM market_models")
    insert_rows(con, "market_models", _COLUMNS, _rows(read_returns(con), risk_free_rate))
    return row_count(con, "market_models")


def _rows(returns: Returns, risk_free_rate: float) -> Iterator[tuple[Any, ...]]:
    column = {model: returns.matrix[:, at] for at, model in enumerate(returns.models)}
    kind = dict(zip(returns.models, returns.kinds, strict=True))
    benchmarks = [model for model in column if kind[model] == "benchmark" and model != _CASH]
    for model in sorted(model for model in column if kind[model] != "benchmark"):
        for benchmark in sorted(benchmarks):
            found = market_model(column[model], column[benchmark], risk_free_rate=risk_free_rate)
            yield model, benchmark, *_figures(found)


def _figures(found: MarketModel) -> tuple[Any, ...]:
    alpha, beta = found.alpha, found.beta
    year = 100 * SESSIONS_PER_YEAR
    return (
        found.sessions,
        beta and beta.value,
        beta and beta.standard_error,
        beta and beta.p_value,
        found.alpha_annual_pct,
        alpha and year * alpha.standard_error,
        alpha and alpha.p_value,
        # Of returns that the benchmark explains not at all, rounding may leave a little less than nothing.
        None if found.r_squared is None else min(max(found.r_squared, 0.0), 1.0),
        found.lags,
        found.reason or _reason(found, alpha, beta),
    )


def _reason(found: MarketModel, alpha: Coefficient | None, beta: Coefficient | None) -> str | None:
    if found.r_squared is None:
        return "the portfolio does not move"
    exact = [name for name, value in (("beta", beta), ("alpha", alpha)) if value and value.p_value is None]
    return f"no error in {' and '.join(exact)}: the benchmark explains it exactly" if exact else None
