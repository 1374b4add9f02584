"""The intake looks at many bars at once, and judges each as if it looked at it alone."""

import csv
from datetime import date
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aitrader_pipeline.market.bars import BadBarError, PriceBatch, RawBar, canonical, parse_bar
from aitrader_pipeline.market.intake import BarIntake
from aitrader_pipeline.market.sources import open_source

DAY = date(2025, 10, 1)
# What sources write for numbers, and what they should not.
NUMBERS = st.one_of(
    st.sampled_from(
        ["", " ", "10", "10.0", " 10.5 ", "11", "12", "9", "9.", ".5", "-1", "+10", "nan", "inf", "1e1", "1_0"]
    ),
    st.sampled_from(["10.0000005", "10.0000015", "10.00000050", "10.00000051", "0.0000001", "0.0000005"]),
    st.sampled_from(["999999999999", "999999999999.9999994", "999999999999.9999999", "1000000000000", "1" * 19]),
    st.from_regex(r"[0-9]{1,4}(\.[0-9]{0,9})?", fullmatch=True),
    st.text(alphabet="0123456789.,+-eE ٣\x00", max_size=6),
    st.floats(),
    st.integers(min_value=-5, max_value=2**64),
    st.none(),
    st.booleans(),
)
NEAR = st.sampled_from(["9", "10", "10.000001", "11", "12.5"])
BARS = st.lists(
    st.builds(RawBar, *[NUMBERS] * 5) | st.builds(RawBar, *[NEAR] * 4, NUMBERS) | st.builds(RawBar, *[NEAR] * 5),
    min_size=1,
    max_size=20,
)


MANY = 1_000
GOOD_LINE = "Z,2025-10-01,1,,,,"


def taken_in(raws: list[RawBar]) -> PriceBatch:
    """Each bar under a symbol of its own, after many good ones that make a look at each alone too slow."""
    intake = BarIntake("XNAS")
    for number in range(MANY):
        intake.add(RawBar("1"), symbol=f"A{number:06}", date="2025-10-01", file="f.csv", line=None)
    for number, raw in enumerate(raws):
        intake.add(raw, symbol=f"S{number:06}", date="2025-10-01", file="f.csv", line=number)
    return intake.batch("files")


@settings(max_examples=100, deadline=None)
@given(BARS)
def test_a_bar_among_many_is_judged_as_it_is_alone(raws: list[RawBar]) -> None:
    kept, refused = [], []
    for number, raw in enumerate(raws):
        try:
            kept.append(canonical(parse_bar(f"S{number:06}", DAY, raw)))
        except BadBarError as error:
            refused.append((number, str(error)))
    batch = taken_in(raws)
    assert batch.text.splitlines(keepends=True)[MANY:] == kept
    assert [(bar.line, bar.reason) for bar in batch.rejected] == refused


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(min_value=0.000001, max_value=10**7), min_size=1, max_size=50))
def test_a_price_is_rounded_the_same_among_many(prices: list[float]) -> None:
    raws = [RawBar(repr(price), volume="100.0") for price in prices]
    alone = [canonical(parse_bar(f"S{number:06}", DAY, raw)) for number, raw in enumerate(raws)]
    assert taken_in(raws).text.splitlines(keepends=True)[MANY:] == alone


CELLS = st.one_of(
    st.sampled_from(
        ["", " ", "9", "10", "10.000001", "11", "12.5", " 10.5 ", "9.", ".5", "-1", "+10", "nan", "1e1"]
    ),
    st.sampled_from(["10.0000005", "10.0000015", "999999999999.9999999", "0.0000005", "1_0", '"10"', "1,0", '"']),
    st.text(alphabet="0123456789.+-eE ٣\x00\x0b\x85\u2028", max_size=6),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(*[CELLS] * 5), min_size=1, max_size=20))
def test_a_line_of_a_file_is_judged_as_it_is_alone(tmp_path: Path, rows: list[tuple[str, ...]]) -> None:
    lines = [",".join([f"S{number:06}", "2025-10-01", *row]) for number, row in enumerate(rows)]
    path = tmp_path / "prices.csv"
    path.write_text("\n".join(["symbol,date,open,high,low,close,volume", *lines, GOOD_LINE, ""]), encoding="utf-8")
    intake = BarIntake("XNAS")
    for number, line in enumerate(lines, start=2):
        cells = next(csv.reader([line]))
        if len(cells) == 7:
            intake.add(RawBar(*cells[2:]), symbol=cells[0], date=cells[1], file="prices.csv", line=number)
        else:
            intake.refuse(f"{len(cells)} values where the header names 7 columns", file="prices.csv", line=number)
    alone, read = intake.batch("files"), open_source("files", path).read("XNAS")
    assert read.text == alone.text + "Z,2025-10-01,1.000000,,,,\n"
    assert read.rejected == alone.rejected


def test_refusals_stand_in_the_order_of_the_file_however_long_it_is() -> None:
    intake = BarIntake("XNAS")
    for number in range(60_000):
        symbol = "" if number % 10_000 == 1 else f"S{number:06}"
        price = "0" if number % 10_000 == 2 else "1"
        intake.add(RawBar(price), symbol=symbol, date="2025-10-01", file="f.csv", line=number)
        if number % 10_000 == 3:
            intake.refuse("no bar", file="f.csv", line=number)
    batch = intake.batch("files")
    lines = [bar.line for bar in batch.rejected]
    assert lines == [tens * 10_000 + ones for tens in range(6) for ones in (1, 2, 3)]
    assert len(batch) == 60_000 - 12
