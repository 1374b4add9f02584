"""Cut the committed sample, `data/sample/`, out of bokeh_sampledata's daily bars.

Run it with the development dependencies installed; the same release of the data gives the same bytes:

    uv run python scripts/cut_sample.py [FOLDER]
"""

import hashlib
import sys
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from bokeh_sampledata import stocks

SYMBOLS = ("AAPL", "MSFT", "IBM", "GOOG", "FB")
FIRST, LAST = "2012-05-18", "2013-03-01"
FOLDER = Path(__file__).resolve().parent.parent / "data" / "sample"

# adj_close / close steps by well under one per mille from rounding, by the dividend's yield on an
# ex-date, and by half or more for a split.
DIVIDEND_STEP = 0.001
SPLIT_STEP = 0.1

README = """\
# The sample: real daily bars

`prices.csv` holds {symbols} from {first} (Facebook's first trading day) to {last}:
{rows} bars, {sessions} sessions of each symbol, complete against the exchange's calendar. Prices are raw, as
traded, in USD; volume is in shares.

## Where it comes from
[bokeh_sampledata](https://pypi.org/project/bokeh-sampledata/), module `bokeh_sampledata.stocks`. It documents its
data as public domain: sourced from Quandl WIKI Prices, which Quandl declared to be in the public domain and
free to redistribute. `GOOG` is Google before its two share classes of 2014; `FB` is today's `META`.

## What was cut
The columns open, high, low, close and volume as they stand there (unadjusted), with four decimals; not the
adjusted close.

To cut it again, with the development dependencies installed:

    uv run python scripts/cut_sample.py

sha256 of `prices.csv`: `{sha256}`

## Corporate actions inside it
`corporate_actions.csv`: no split; {dividends} cash dividends, derived from the steps of the source's adjusted
close, in USD per share, rounded to the cent.
"""


class Row(NamedTuple):
    """One bar as the source has it."""

    symbol: str
    date: str
    open: float
    high: float
    low: float
    close: float
    volume: int
    adj_close: float


def rows_of(symbol: str) -> list[Row]:
    """Return a symbol's bars inside the slice, oldest first."""
    data = getattr(stocks, symbol)
    columns = (data[name] for name in Row._fields[1:])
    return [Row(symbol, *values) for values in zip(*columns, strict=True) if FIRST <= values[0] <= LAST]


def csv_line(row: Row) -> str:
    """Return a bar's line; refuse a price that four decimals would change."""
    prices = [f"{price:.4f}" for price in row[2:6]]
    if [Decimal(text) for text in prices] != [Decimal(repr(price)) for price in row[2:6]]:
        raise ValueError(f"{row.symbol} {row.date} has a price with more than four decimals")
    return f"{row.symbol},{row.date},{','.join(prices)},{row.volume}\n"


def dividends(rows: list[Row]) -> Iterator[str]:
    """Yield a line for each dividend among a symbol's bars.

    The source scales the closes before an ex-date by close / (close + dividend), taken on the ex-date.
    """
    for before, row in pairwise(rows):
        step = (row.adj_close / row.close) / (before.adj_close / before.close) - 1
        if abs(step) > SPLIT_STEP:
            raise ValueError(f"{row.symbol} {row.date} looks like a split: cut the sample elsewhere")
        if step > DIVIDEND_STEP:
            yield f"{row.symbol},{row.date},dividend,{row.close * step:.2f}\n"


def main(arguments: list[str]) -> None:
    """Write `prices.csv`, `corporate_actions.csv` and `README.md` into the folder."""
    folder = Path(arguments[0]) if arguments else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    rows = {symbol: rows_of(symbol) for symbol in SYMBOLS}
    lines = [csv_line(row) for symbol in SYMBOLS for row in rows[symbol]]
    content = ("symbol,date,open,high,low,close,volume\n" + "".join(lines)).encode()
    actions = [line for symbol in SYMBOLS for line in dividends(rows[symbol])]
    readme = README.format(
        symbols=", ".join(SYMBOLS),
        first=FIRST,
        last=LAST,
        rows=len(lines),
        sessions=len(rows[SYMBOLS[0]]),
        sha256=hashlib.sha256(content).hexdigest(),
        dividends=len(actions),
    )
    (folder / "prices.csv").write_bytes(content)
    (folder / "corporate_actions.csv").write_bytes(("symbol,ex_date,kind,value\n" + "".join(actions)).encode())
    (folder / "README.md").write_bytes(readme.encode())


if __name__ == "__main__":
    main(sys.argv[1:])
