"""Many raw bars at once: DuckDB passes those that are plainly good, and leaves the others to a second look."""

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from aitrader_pipeline.store.sql import statement

_PACKAGE = "aitrader_pipeline.market"
_FETCHED_AT_ONCE = 10_000


# Of a raw bar: whose and of when it claims to be, as given; where it is plainly good, how its canonical line ends,
# with the line break; where it is not, its values as given.
Looked = tuple[str | None, str | None, str | None, list[str | None] | None]


@contextmanager
def looking() -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database to put ``raw_bars`` into: their position, and as text symbol, moment and values."""
    # Without a sample every column of a frame is text, one without any value too. And a missing extension would be
    # fetched.
    config: dict[str, str | bool | int | float | list[str]] = {
        "pandas_analyze_sample": "0",
        "autoinstall_known_extensions": "false",
        "TimeZone": "UTC",
    }
    with duckdb.connect(config=config) as con:
        con.execute(statement(_PACKAGE, "create_exact_price"))
        yield con


def looked_at(con: duckdb.DuckDBPyConnection) -> Iterator[Looked]:
    """Look at all ``raw_bars`` of a database that `looking` opened, in their order."""
    rows = con.execute(statement(_PACKAGE, "plainly_good_bars"))
    while chunk := rows.fetchmany(_FETCHED_AT_ONCE):
        yield from chunk
