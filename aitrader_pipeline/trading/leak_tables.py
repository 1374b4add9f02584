"""What the leak audit finds, as tables: `leak_findings` and `leak_counts`."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import duckdb

from aitrader_pipeline.store.sql import statement
from aitrader_pipeline.store.staging import create_staging, insert_rows
from aitrader_pipeline.trading.chains import Cell
from aitrader_pipeline.trading.leak_audit import Leak, LeakAudit
from aitrader_pipeline.trading.record import SessionRecord

_PACKAGE = "aitrader_pipeline.trading"
_FINDINGS = (
    "date", "model", "finding", "step_number", "source", "kind", "symbol", "value", "of_date", "text",
)  # fmt: skip
_COUNTS = ("date", "model", "told", "said")
# Of one session; the counts are of all.
_MOST_FINDINGS = 20


def write_leaks(con: duckdb.DuckDBPyConnection, records: Sequence[SessionRecord], audit: LeakAudit) -> int:
    """Replace the rows of exactly these model-days in ``leak_findings`` and ``leak_counts``.

    An imported book has no transcript, and so no row.

    Args:
        con: a connection to the mart, inside the caller's transaction.
        records: the records of the model-days.
        audit: looks through them.

    Returns:
        How many leaks there are.
    """
    forget_leaks(con, (Cell(record.date, record.model) for record in records))
    found = {Cell(r.date, r.model): audit.leaks(r) for r in records if r.source == "session"}
    insert_rows(con, "leak_counts", _COUNTS, [(*cell, *_counts(leaks)) for cell, leaks in found.items()])
    insert_rows(
        con,
        "leak_findings",
        _FINDINGS,
        [
            (
                *cell,
                number,
                leak.step_number,
                leak.source,
                leak.kind,
                leak.symbol,
                leak.value,
                leak.of_date,
                leak.text,
            )
            for cell, leaks in found.items()
            for number, leak in enumerate(leaks[:_MOST_FINDINGS], start=1)
        ],
    )
    return sum(map(len, found.values()))


def forget_leaks(con: duckdb.DuckDBPyConnection, cells: Iterable[Cell]) -> None:
    """Delete what was found in model-days, inside the caller's transaction."""
    create_staging(con, "session_cells", {"date": "DATE", "model": "VARCHAR"})
    insert_rows(con, "session_cells", ("date", "model"), cells)
    for table in ("leak_findings", "leak_counts"):
        con.execute(statement(_PACKAGE, f"delete_{table}"))


def leaks_by_model(con: duckdb.DuckDBPyConnection) -> Mapping[str, tuple[int, int]]:
    """How many leaks each model was told, and said, over all its sessions; models without any are left out."""
    rows = con.execute(statement(_PACKAGE, "leaks_by_model")).fetchall()
    return {model: (told, said) for model, told, said in rows}


def _counts(leaks: Sequence[Leak]) -> tuple[int, int]:
    count = Counter(leak.source for leak in leaks)
    return count["told"], count["said"]
