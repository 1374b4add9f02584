"""Decision science: what the decisions were worth, who decides alike, and what stated confidence is worth."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from aitrader_pipeline.ranking.agreement import HOLD, compare
from aitrader_pipeline.ranking.calibration import calibrate, wilson_interval
from aitrader_pipeline.ranking.figures import Bools, Floats
from aitrader_pipeline.store.sql import statement
from aitrader_pipeline.store.staging import create_staging, insert_columns, insert_rows, replace_rows, row_count

_PACKAGE = "aitrader_pipeline.ranking"
TABLES = ("forward_returns", "decision_outcomes", "model_agreement", "confidence_calibration", "profit_by_symbol")
_HORIZONS = (1, 5, 20)
_CALIBRATION = (
    "model", "bucket", "decisions", "mean_confidence", "hit_rate_pct", "hit_rate_low_pct", "hit_rate_high_pct",
    "brier_score", "reliability", "resolution", "uncertainty", "skill", "reason",
)  # fmt: skip


def rebuild_decision_tables(
    con: duckdb.DuckDBPyConnection, sectors: Mapping[str, str] = MappingProxyType({})
) -> dict[str, int]:
    """Fill the tables of decisions anew, inside the caller's transaction.

    Args:
        con: A connection to the mart, whose books, ``decision_log`` and ``trade_log`` are up to date.
        sectors: Those of the symbols that have one.

    Returns:
        The number of rows by table.
    """
    con.execute(statement(_PACKAGE, "stage_ticker_lines"))
    create_staging(con, "sectors", {"symbol": "VARCHAR", "sector": "VARCHAR"})
    insert_rows(con, "sectors", ("symbol", "sector"), sectors.items())
    replace_rows(con, "forward_returns", ("symbol", "date"), statement(_PACKAGE, "forward_returns"))
    for table in ("decision_outcomes", "profit_by_symbol"):
        con.execute(f"DELETE FROM {table}")  # noqa: S608 # nosec B608 - the program's own name
        con.execute(f"INSERT INTO {table} BY NAME {statement(_PACKAGE, table)}")
    for name in ("contestants", "decided_items"):
        con.execute(statement(_PACKAGE, f"stage_{name}"))
    models = [model for (model,) in con.execute("SELECT model FROM contestants ORDER BY number").fetchall()]
    con.execute("DELETE FROM model_agreement")
    insert_columns(con, "model_agreement", _agreement(con, models))
    con.execute("DELETE FROM confidence_calibration")
    insert_rows(con, "confidence_calibration", _CALIBRATION, _calibrations(con, models))
    for name in ("ticker_lines", "sectors", "contestants", "decided_items"):
        con.execute(f"DROP TABLE {name}")
    return {table: row_count(con, table) for table in TABLES}


def _agreement(con: duckdb.DuckDBPyConnection, models: Sequence[str]) -> dict[str, NDArray[Any]]:
    items = con.execute(statement(_PACKAGE, "decided_items")).fetchnumpy()
    session_of = np.asarray(items["session"], dtype=np.int64)
    forward = np.column_stack([_floats(items[f"forward_return_{horizon}_pct"]) for horizon in _HORIZONS]) / 100
    traded = np.zeros((int(session_of.max(initial=-1)) + 1, len(models)), dtype=np.bool_)
    at = con.execute(statement(_PACKAGE, "traded_sessions")).fetchnumpy()
    traded[at["session"], at["model"]] = True
    decisions = np.where(traded[session_of], HOLD, np.nan)
    made = con.execute(statement(_PACKAGE, "session_decisions")).fetchnumpy()
    decisions[made["item"], made["model"]] = made["choice"]
    return _pairs(models, traded, decisions, forward)


def _calibrations(con: duckdb.DuckDBPyConnection, models: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    stated = con.execute(statement(_PACKAGE, "stated_confidences")).fetchnumpy()
    ends = np.searchsorted(stated["model"], np.arange(len(models) + 1))
    confidence, came_true = _floats(stated["confidence"]), _floats(stated["came_true"])
    for model, (start, end) in zip(models, pairwise(ends), strict=True):
        yield from _calibration(model, confidence[start:end], came_true[start:end])


def _pairs(models: Sequence[str], traded: Bools, decisions: Floats, forward: Floats) -> dict[str, NDArray[Any]]:
    """The columns of ``model_agreement``: a row for every two models that have a session in common."""
    agreement, parted = compare(decisions, forward)
    present = traded.astype(np.float64)
    sessions = (present.T @ present).astype(np.int64)
    first, second = pair = np.nonzero(np.triu(sessions, 1))
    names = np.array(models, dtype=np.object_)
    kappa = agreement.kappa[pair]
    reasons = np.array(["both always did the same: agreement by chance is certain", None], dtype=np.object_)
    side_returns = {
        f"side_return_{side}_{horizon}_pct": 100 * means[one, other]
        for side, one, other in ((1, first, second), (2, second, first))
        for horizon, means in zip(_HORIZONS, parted.side_return, strict=True)
    }
    return {
        "model_1": names[first],
        "model_2": names[second],
        "sessions": sessions[pair],
        "decisions": agreement.items[pair],
        "observed_agreement": agreement.observed[pair],
        "kappa": kappa,
        "diverging": parted.diverging[pair],
        **side_returns,
        "reason": reasons[np.isfinite(kappa).astype(np.int64)],
    }


def _calibration(model: str, confidence: Floats, came_true: Floats) -> Iterator[tuple[Any, ...]]:
    found = calibrate(confidence, came_true)
    scores = (found.brier, found.reliability, found.resolution, found.uncertainty, found.skill)
    if not found.calls:
        yield model, "all", 0, None, None, None, None, *scores, found.reason
        return
    counted = np.isfinite(came_true)
    hits = float(came_true[counted].sum())
    low, high = wilson_interval(hits, found.calls)
    shares = (100 * hits / found.calls, 100 * low, 100 * high)
    certain = "all outcomes are the same: there is no skill to tell" if found.skill is None else None
    yield model, "all", found.calls, float(confidence[counted].mean()), *shares, *scores, certain
    for bucket in found.buckets:
        yield (
            model,
            f"{bucket.low:g}-{bucket.high:g}",
            bucket.calls,
            bucket.mean_confidence,
            bucket.hit_rate_pct,
            bucket.hit_rate_low_pct,
            bucket.hit_rate_high_pct,
            *[None] * 6,
        )


def _floats(column: Any) -> Floats:  # noqa: ANN401 - masked where a value is NULL, by DuckDB
    return np.ma.filled(np.ma.asarray(column, dtype=np.float64), np.nan)
