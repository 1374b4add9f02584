"""The replicas of a model as one competitor: mean and spread of their figures, and what is luck in them."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

import duckdb
import numpy as np

from aitrader_pipeline.performance.series import metrics_query, metrics_window
from aitrader_pipeline.ranking.uncertainty import Returns, read_returns
from aitrader_pipeline.ranking.variance_split import ReplicaSpread, VarianceSplit, replica_spread, variance_split
from aitrader_pipeline.store.sql import statement
from aitrader_pipeline.store.staging import insert_rows

_PACKAGE = "aitrader_pipeline.ranking"
_PARTS = ("market", "model", "model_day", "replica")


@dataclass(frozen=True)
class ReplicaGroup:
    """A competitor: a model's replicas, or a portfolio of its own.

    Attributes:
        model: Signature as the config gives it.
        kind: model, baseline or benchmark.
        replicas: Its portfolios.
        sessions: That all of them have; everything is over these.
        mean_portfolio_value: Mean of their closing equities.
        return_pct: Mean and spread of their returns.
        sharpe_ratio: The same of their Sharpe ratios.
        max_drawdown_pct: The same of their drawdowns.
        mean_trades: Fills per portfolio.
    """

    model: str
    kind: str
    replicas: int
    sessions: int
    mean_portfolio_value: float
    return_pct: ReplicaSpread
    sharpe_ratio: ReplicaSpread
    max_drawdown_pct: ReplicaSpread
    mean_trades: float

    def row(self) -> dict[str, Any]:
        """The group as a row of ``replica_groups``, without the variance."""
        spreads = ("return_pct", "sharpe_ratio", "max_drawdown_pct")
        plain = {name: value for name, value in vars(self).items() if name not in spreads}
        return plain | {
            f"{part}_{name}": value
            for name in spreads
            for part, value in asdict(getattr(self, name)).items()
            if part != "replicas"
        }


def replica_groups(
    con: duckdb.DuckDBPyConnection, end: dt.date | None, *, risk_free_rate: float
) -> list[ReplicaGroup]:
    """Every competitor up to a session, a model's replicas as one.

    Args:
        con: A connection to the mart; it may be read-only.
        end: The last session; None for the newest.
        risk_free_rate: Annual, 0.05 for 5 %.
    """
    metrics = metrics_query(statement(_PACKAGE, "replica_curves"))
    rows = con.execute(
        f"WITH performance_metrics AS ({metrics}) {statement(_PACKAGE, 'replica_figures')}",
        metrics_window(None, end, risk_free_rate),
    ).fetchall()
    return [_group(model, list(members)) for model, members in groupby(rows, key=lambda row: row[0])]


def _group(model: str, members: list[tuple[Any, ...]]) -> ReplicaGroup:
    _, kinds, sessions, *figures = zip(*members, strict=True)
    values, returns, sharpes, drawdowns, trades = (np.array(column, dtype=np.float64) for column in figures)
    return ReplicaGroup(
        model=model,
        kind=kinds[0],
        replicas=len(members),
        sessions=sessions[0],
        mean_portfolio_value=float(values.mean()),
        return_pct=replica_spread(returns),
        sharpe_ratio=replica_spread(sharpes),
        max_drawdown_pct=replica_spread(drawdowns),
        mean_trades=float(trades.mean()),
    )


def rebuild_replica_groups(con: duckdb.DuckDBPyConnection, *, risk_free_rate: float) -> int:
    """Fill ``replica_groups`` anew, inside the caller's transaction.

    Args:
        con: A connection to the mart.
        risk_free_rate: Annual, 0.05 for 5 %.

    Returns:
        The number of rows.
    """
    con.execute("DELETE FROM replica_groups")
    groups = replica_groups(con, None, risk_free_rate=risk_free_rate)
    replicas = con.execute("SELECT model, replica_of FROM competitors WHERE replica_of IS NOT NULL").fetchall()
    replica_of: dict[str, str] = dict(replicas)
    returns = read_returns(con)
    splits = {kind: _split(returns, kind, replica_of) for kind in ("model", "baseline")}
    rows = [group.row() | _variance(splits.get(group.kind)) for group in groups]
    if rows:
        insert_rows(con, "replica_groups", list(rows[0]), (list(row.values()) for row in rows))
    return len(rows)


def _split(returns: Returns, kind: str, replica_of: Mapping[str, str]) -> VarianceSplit:
    groups = set(replica_of.values())
    columns = [at for at, model in enumerate(returns.models) if returns.kinds[at] == kind and model not in groups]
    names = [replica_of.get(returns.models[at], returns.models[at]) for at in columns]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return variance_split(returns.matrix[:, columns], [numbers[name] for name in names])


def _variance(split: VarianceSplit | None) -> dict[str, Any]:
    """The columns of the variance; a benchmark decides nothing, and has none."""
    shares = split.shares_pct if split else {}
    reason = split.reason if split else "a benchmark decides nothing"
    if split and not shares:
        reason = reason or "nothing varies"
    return {f"variance_{part}_pct": shares.get(part) for part in _PARTS} | {"reason": reason}
