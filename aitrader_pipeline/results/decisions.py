"""Who decides alike, and where two models parted, in the shapes of the API."""

import datetime as dt
from pathlib import Path

from aitrader_pipeline.errors import CallError, NoDataError
from aitrader_pipeline.results.queries import Row, fetched
from aitrader_pipeline.store.mart import reading
from aitrader_pipeline.store.sql import statement

_PACKAGE = "aitrader_pipeline.results"


def get_agreement(mart: Path) -> list[Row]:
    """Every pair of models, those that decide most alike first; the columns are those of ``model_agreement``.

    Raises:
        NoDataError: nobody has ordered anything yet.
        StoreError: there is no mart yet.
    """
    with reading(mart) as con:
        rows = fetched(con, statement(_PACKAGE, "agreement"), {})
    if not rows:
        raise NoDataError("no two models have a session in common on which one of them ordered anything")
    return rows


def get_divergence(
    mart: Path, models: tuple[str, str], start: dt.date | None = None, end: dt.date | None = None
) -> list[Row]:
    """What two models did otherwise, and what became of it; the newest first.

    Args:
        mart: the mart's file.
        models: two signatures; the answer has them in alphabetical order.
        start: the first session; None for the beginning.
        end: the last session; None for the newest.

    Raises:
        CallError: it is one model.
        NoDataError: one of them has no session, or they never parted in that range.
        StoreError: there is no mart yet.
    """
    one, other = sorted(models)
    if one == other:
        raise CallError(f"name two different models, not {one} twice")
    window: dict[str, object] = {"model_1": one, "model_2": other, "start": start, "end": end}
    with reading(mart) as con:
        rows = fetched(con, statement(_PACKAGE, "divergence"), window)
        known = [model for (model,) in con.execute(statement(_PACKAGE, "contestants")).fetchall()]
    if unknown := [model for model in (one, other) if model not in known]:
        raise NoDataError(
            f"there is no session of {' or '.join(unknown)}; there are of: {', '.join(known) or 'nobody'}"
        )
    if not rows:
        raise NoDataError(f"{one} and {other} parted on nothing in that range, or have no session in common")
    return rows
