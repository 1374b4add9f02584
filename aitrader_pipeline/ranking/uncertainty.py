"""How sure the board is: intervals, probabilities and tie groups of every portfolio, from its daily returns."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import duckdb
import numpy as np

from aitrader_pipeline.config import MetricsConfig
from aitrader_pipeline.ranking.bootstrap import Bootstrap, Estimate, Resampling, bootstrap
from aitrader_pipeline.ranking.comparison import Comparison
from aitrader_pipeline.ranking.figures import Floats, known
from aitrader_pipeline.ranking.sharpe_inference import SharpeInference, infer_sharpes
from aitrader_pipeline.ranking.tie_groups import TieGroup, tie_groups
from aitrader_pipeline.store.sql import statement
from aitrader_pipeline.store.staging import insert_rows

# Resamples x sessions x portfolios that a board is resampled with by itself: some two seconds.
_ELEMENTS = 40_000_000
_FEWEST, _MOST = 1_000, 10_000

_ESTIMATES = (
    "return_pct", "return_low_pct", "return_high_pct",
    "sharpe_ratio", "sharpe_low", "sharpe_high",
    "max_drawdown_pct", "max_drawdown_low_pct", "max_drawdown_high_pct",
)  # fmt: skip
_COLUMNS = (
    "model", "kind", "sessions", *_ESTIMATES, "p_best", "tie_group",
    "probabilistic_sharpe", "deflated_sharpe", "min_track_record_sessions", "reason",
)  # fmt: skip
_PAIR_COLUMNS = ("model_1", "model_2", "sessions", "p_return_above", "p_sharpe_above", "p_adjusted", "told_apart")


@dataclass(frozen=True)
class Returns:
    """Daily returns of every portfolio, the best first.

    Attributes:
        models: Their names.
        kinds: model, baseline or benchmark.
        matrix: Fractions, shape `(sessions, models)`; NaN where a portfolio has no such session.
    """

    models: tuple[str, ...]
    kinds: tuple[str, ...]
    matrix: Floats


def read_returns(con: duckdb.DuckDBPyConnection) -> Returns:
    """Read the daily returns from `portfolio_timeseries`; only portfolios in `performance_metrics`."""
    rows = con.execute(statement("aitrader_pipeline.ranking", "daily_returns")).fetchall()
    kinds = {model: kind for model, kind, *_ in rows}
    column = {model: position for position, model in enumerate(kinds)}
    line = {date: position for position, date in enumerate(sorted({date for _, _, date, _ in rows}))}
    matrix = np.full((len(line), len(column)), np.nan)
    for model, _, date, daily_return in rows:
        matrix[line[date], column[model]] = daily_return
    return Returns(tuple(kinds), tuple(kinds.values()), matrix)


def resamples_for(returns: Returns, metrics: MetricsConfig) -> int:
    """How often to resample: as the config says, else as often as takes a moment, from 1,000 to 10,000 times."""
    if metrics.resamples is not None:
        return metrics.resamples
    return max(_FEWEST, min(_MOST, _ELEMENTS // max(1, returns.matrix.size) // 500 * 500))


def inferred(returns: Returns, metrics: MetricsConfig) -> Bootstrap | None:
    """What the resamples say of these portfolios; None where there is none."""
    if not returns.models:
        return None
    resampling = Resampling(
        resamples=resamples_for(returns, metrics),
        seed=metrics.seed,
        level=metrics.confidence_level,
        min_sessions=metrics.min_sessions,
    )
    return bootstrap(returns.matrix, resampling, risk_free_rate=metrics.risk_free_rate)


def write_uncertainty(
    con: duckdb.DuckDBPyConnection, returns: Returns, found: Bootstrap | None, metrics: MetricsConfig
) -> None:
    """Fill `uncertainty` and `pairwise_comparison` anew, inside the caller's transaction.

    Args:
        con: A connection to the mart.
        returns: The portfolios.
        found: What was inferred of them.
        metrics: What it was inferred with.
    """
    con.execute("DELETE FROM uncertainty")
    con.execute("DELETE FROM pairwise_comparison")
    if found is not None:
        insert_rows(con, "uncertainty", _COLUMNS, _rows(returns, found, metrics))
        insert_rows(con, "pairwise_comparison", _PAIR_COLUMNS, _pairs(returns.models, found, metrics))


def _rows(returns: Returns, found: Bootstrap, metrics: MetricsConfig) -> Iterator[tuple[Any, ...]]:
    order = range(len(returns.models))
    level = metrics.confidence_level
    groups = tie_groups(found.by_return, order, level=level, min_sessions=metrics.min_sessions)
    judged = _judged(returns, metrics)
    for at, (model, kind, own) in enumerate(zip(returns.models, returns.kinds, found.models, strict=True)):
        estimates = (own.total_return_pct, own.sharpe_ratio, own.max_drawdown_pct)
        sharpe = judged[at]
        yield (
            model,
            kind,
            own.sessions,
            *(end for estimate in estimates for end in (estimate.value, estimate.low, estimate.high)),
            known(found.by_return.p_best[at]),
            "".join(groups[at].letters or ()) or None,
            sharpe.probabilistic if sharpe else None,
            sharpe.deflated if sharpe else None,
            sharpe.min_track_record if sharpe else None,
            _reason(estimates, groups[at]),
        )


def _judged(returns: Returns, metrics: MetricsConfig) -> Sequence[SharpeInference | None]:
    """Every contestant's Sharpe ratio; a benchmark was not tried, and is judged by nobody."""
    tried = [at for at, kind in enumerate(returns.kinds) if kind != "benchmark"]
    found = infer_sharpes(
        returns.matrix[:, tried], risk_free_rate=metrics.risk_free_rate, level=metrics.confidence_level
    )
    by_column = dict(zip(tried, found, strict=True))
    return [by_column.get(at) for at in range(len(returns.kinds))]


def _reason(estimates: Sequence[Estimate], group: TieGroup) -> str | None:
    reasons = dict.fromkeys(reason for reason in (group.reason, *(e.reason for e in estimates)) if reason)
    return "; ".join(reasons) or None


def _pairs(models: Sequence[str], found: Bootstrap, metrics: MetricsConfig) -> Iterator[tuple[Any, ...]]:
    by_return, by_sharpe = found.by_return, found.by_sharpe
    for first, second in combinations(sorted(range(len(models)), key=models.__getitem__), 2):
        adjusted = known(by_return.p_adjusted[first, second])
        yield (
            models[first],
            models[second],
            int(by_return.sessions[first, second]),
            _above(by_return, first, second),
            _above(by_sharpe, first, second),
            adjusted,
            None if adjusted is None else adjusted <= 1 - metrics.confidence_level + 1e-12,
        )


def _above(comparison: Comparison, first: int, second: int) -> float | None:
    return known(comparison.p_beats[first, second])
