"""What loading prices costs: 101 symbols x 5 years from each kind of file, beside DuckDB's own reading of CSV.

    python -m benchmarks.prices [FOLDER]

The bars are made up, the same ones every time. Every line of the table is a process of its own; its seconds are
those of the work, without the imports.
"""

import argparse
import datetime as dt
import json
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb

from aitrader_pipeline.market.calendar import TradingCalendar
from aitrader_pipeline.market.prices import content_hash, read_history, save_prices
from aitrader_pipeline.market.sources import open_source
from aitrader_pipeline.store.mart import migrate
from benchmarks.measuring import Measure, in_own_process, machine, table

SYMBOLS = 101
SESSIONS = 1_260
BUDGET_SECONDS = 3.0
_SOURCES = {
    "CSV": ("files", "prices.csv"),
    "Parquet": ("files", "prices.parquet"),
    "merged JSONL": ("merged_jsonl", "merged.jsonl"),
}
_BENCHMARK_KEYS = ("1. buy price", "2. high", "3. low", "4. sell price", "5. volume")
_HEADER = "symbol,date,open,high,low,close,volume\n"


def main() -> None:
    """Write the files, load each of them, and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, nargs="?", help="keeps the files; a temporary one by default")
    folder = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as scratch:
        kept = Path(folder or scratch).resolve()
        kept.mkdir(parents=True, exist_ok=True)
        write_files(kept)
        bars = SYMBOLS * SESSIONS
        print(f"{SYMBOLS} symbols x {SESSIONS:,} sessions = {bars:,} bars; {machine()}\n", flush=True)
        print(_table(list(_measures(kept, bars))))
        print(f"\nBudget of a load: {BUDGET_SECONDS:.0f} s")


def write_files(folder: Path) -> None:
    """Write the same bars as CSV, Parquet and in the benchmark's own format; and the CSV with one restated bar."""
    rows = list(_rows())
    lines = [",".join(row) + "\n" for row in rows]
    (folder / "prices.csv").write_text(_HEADER + "".join(lines), encoding="utf-8")
    symbol, date, *_ = rows[len(rows) // 2]
    lines[len(rows) // 2] = f"{symbol},{date},100,101,99,100.5,1000\n"
    (folder / "restated.csv").write_text(_HEADER + "".join(lines), encoding="utf-8")
    series: dict[str, dict[str, dict[str, str]]] = {}
    for symbol, date, *values in rows:
        series.setdefault(symbol, {})[date] = dict(zip(_BENCHMARK_KEYS, values, strict=True))
    with (folder / "merged.jsonl").open("w", encoding="utf-8") as merged:
        for symbol, bars in series.items():
            merged.write(json.dumps({"Meta Data": {"2. Symbol": symbol}, "Time Series (Daily)": bars}) + "\n")
    with duckdb.connect() as con:
        con.read_csv(str(folder / "prices.csv")).write_parquet(str(folder / "prices.parquet"))


def _rows() -> Iterator[tuple[str, ...]]:
    first = dt.date(2020, 1, 2)
    sessions = TradingCalendar("XNAS", first, dt.date(2025, 12, 31)).sessions(first, dt.date(2025, 12, 31))
    # Reproducible is the point; nothing here is a secret.
    draw = random.Random(1)  # nosec B311
    for number in range(SYMBOLS):
        close = draw.uniform(20, 500)
        for session in sessions[:SESSIONS]:
            opened = close * (1 + draw.gauss(0, 0.005))
            close = opened * (1 + draw.gauss(0, 0.015))
            high, low = max(opened, close) * 1.004, min(opened, close) * 0.996
            prices = (f"{price:.4f}" for price in (opened, high, low, close))
            yield f"S{number:03}", session.isoformat(), *prices, str(draw.randint(10**5, 10**8))


def _measures(folder: Path, bars: int) -> Iterator[Measure]:
    yield in_own_process("bare DuckDB `read_csv`, nothing checked", bars, read_bare, folder)
    for name, (source, file) in _SOURCES.items():
        yield in_own_process(f"{name}, read and saved", bars, load, source, folder / file, folder / f"{file}.mart")
    mart = folder / "prices.csv.mart"
    yield in_own_process("CSV, the same again", bars, load, "files", folder / "prices.csv", mart, 0)
    yield in_own_process("CSV, one bar restated", bars, load, "files", folder / "restated.csv", mart, 1)
    yield in_own_process("hash of the stored bars", bars, hash_of_all, mart)
    yield in_own_process("history, and its first view", bars, first_view, mart)


def read_bare(folder: Path) -> float:
    """Read the CSV file into a table as DuckDB does by itself; returns the seconds."""
    started = time.perf_counter()
    with duckdb.connect(str(folder / "bare.duckdb")) as con:
        con.execute("CREATE OR REPLACE TABLE bare AS FROM read_csv(?)", [str(folder / "prices.csv")])
    return time.perf_counter() - started


def load(source: str, file: Path, mart: Path, written: int | None = None) -> float:
    """Load a file into a mart, a new one unless it is said how many bars are new; returns the seconds.

    Raises:
        RuntimeError: it has loaded something else.
    """
    if written is None:
        mart.unlink(missing_ok=True)
    with duckdb.connect(str(mart)) as con:
        migrate(con)
        started = time.perf_counter()
        batch = open_source(source, file).read("XNAS")
        con.begin()
        changes = save_prices(con, batch, dt.datetime.now(dt.UTC))
        con.commit()
        seconds = time.perf_counter() - started
    expected = len(batch) if written is None else written
    if changes.added + len(changes.restated) != expected or batch.rejected:
        raise RuntimeError(f"{changes.added} added, {len(changes.restated)} restated, not {expected}")
    return seconds


def hash_of_all(mart: Path) -> float:
    """Take the hash of a mart's prices; returns the seconds."""
    with duckdb.connect(str(mart), read_only=True) as con:
        started = time.perf_counter()
        content_hash(con)
        return time.perf_counter() - started


def first_view(mart: Path) -> float:
    """What every run begins with: read the bars and cut the first view of them; returns the seconds."""
    with duckdb.connect(str(mart), read_only=True) as con:
        started = time.perf_counter()
        history = read_history(con)
        history.cut(history.sessions[-1], history.symbols, history.sessions[-2])
        return time.perf_counter() - started


def _table(measures: list[Measure]) -> str:
    bare = measures[0].seconds
    rows = [[m.name, f"{m.seconds:.2f}", f"{m.seconds / bare:.1f}", m.peak_mib] for m in measures]
    return table(("", "seconds", "ratio", "peak MiB"), rows)


if __name__ == "__main__":
    main()
