"""What a bar may hold, and that its hash depends on its values alone."""

from datetime import date
from decimal import Decimal

import pytest

from aitrader_pipeline.market.bars import (
    BadBarError,
    Bar,
    RawBar,
    RejectedBar,
    bar_of_line,
    canonical,
    parse_bar,
    parse_date,
    parse_symbol,
    price_batch,
)

DAY = date(2025, 10, 1)
GOOD = RawBar("10", "12", "9", "11", "100")


def hash_of(bar: Bar) -> str:
    return price_batch("files", [bar], ()).content_hash


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (GOOD._replace(open="12.01"), "open 12.01 is outside low..high 9..12"),
        (GOOD._replace(open="8"), "open 8 is outside low..high 9..12"),
        (GOOD._replace(close="8.5"), "close 8.5 is outside low..high 9..12"),
        (GOOD._replace(close="1000"), "close 1000 is outside low..high 9..12"),
        (GOOD._replace(open="0"), "open '0' is not above 0"),
        (GOOD._replace(low="-9"), "low '-9' is not above 0"),
        (GOOD._replace(open="0.0000001"), "open '0.0000001' is not above 0"),
        (GOOD._replace(open="NaN"), "open 'NaN' is no finite number"),
        (GOOD._replace(high=float("inf")), "high 'inf' is no finite number"),
        (GOOD._replace(close="eleven"), "close 'eleven' is no finite number"),
        (GOOD._replace(close="1_1"), "close '1_1' is no finite number"),
        (GOOD._replace(close=True), "close 'True' is no finite number"),
        (GOOD._replace(open="1e99999999999999999999"), "open '1e99999999999999999999' is no finite number"),
        (GOOD._replace(high="1e12"), "high '1e12' is too large"),
        (GOOD._replace(high="999999999999.9999999"), "high '999999999999.9999999' is too large"),
        (GOOD._replace(open=""), "open is missing"),
        (GOOD._replace(open=None), "open is missing"),
        (GOOD._replace(high=" ", close=None), "partial bar: high and close missing"),
        (GOOD._replace(low=""), "partial bar: low missing"),
        (GOOD._replace(volume="-1"), "volume '-1' is negative"),
        (GOOD._replace(volume="1.5"), "volume '1.5' is no whole number of shares"),
        (GOOD._replace(volume="1e30"), "volume '1e30' is too large"),
    ],
)
def test_a_bar_that_cannot_be_is_refused_with_the_field_and_the_value(raw: RawBar, reason: str) -> None:
    with pytest.raises(BadBarError) as refused:
        parse_bar("AAPL", DAY, raw)
    assert reason in str(refused.value)


def test_a_price_is_exact_to_six_decimals_and_rounded_half_to_even_beyond() -> None:
    bar = parse_bar("AAPL", DAY, RawBar("10.0000005", 12.0000015, "9", 11, "100.0"))
    assert (str(bar.open), str(bar.high), str(bar.close), bar.volume) == (
        "10.000000",
        "12.000002",
        "11.000000",
        100,
    )


def test_an_open_alone_is_a_bar_that_is_not_complete() -> None:
    bar = parse_bar("AAPL", DAY, RawBar("10", "", None, " "))
    assert bar == Bar("AAPL", DAY, Decimal(10))
    assert not bar.complete
    assert parse_bar("AAPL", DAY, GOOD).complete


def test_a_bar_without_a_volume_is_complete() -> None:
    assert parse_bar("AAPL", DAY, GOOD._replace(volume=None)).complete


@pytest.mark.parametrize("text", ["2025-10-01", " 2025-10-01 ", "2025-10-01 00:00:00", "2025-10-01T00:00:00.000"])
def test_a_date_may_carry_the_midnight_that_tables_add(text: str) -> None:
    assert parse_date(text) == DAY


@pytest.mark.parametrize("text", ["", None, "2025-02-30", "20251001", "01/10/2025", "2025-10-01 10:00:00"])
def test_what_is_no_date_is_refused(text: str | None) -> None:
    with pytest.raises(BadBarError, match="date"):
        parse_date(text)


@pytest.mark.parametrize("text", ["", None, "A B", "ÄA", "A,B", "A" * 33])
def test_what_is_no_ticker_is_refused(text: str | None) -> None:
    with pytest.raises(BadBarError, match="symbol"):
        parse_symbol(text)


def test_a_ticker_is_read_without_regard_to_case_and_space() -> None:
    assert parse_symbol(" brk.b ") == "BRK.B"


def test_equal_bars_have_one_hash_however_their_prices_are_written() -> None:
    short = Bar("AAPL", DAY, Decimal(10), Decimal("12.50"), Decimal("9"), Decimal("11"), 5)
    long = Bar("AAPL", DAY, Decimal("10.000000"), Decimal("12.5"), Decimal("9.0"), Decimal("1.1E+1"), 5)
    assert hash_of(short) == hash_of(long)


def test_a_missing_value_and_a_moved_one_change_the_hash_and_are_read_back() -> None:
    bar = Bar("AAPL", DAY, Decimal(10), Decimal(12), Decimal(9), Decimal(11), 5)
    others = [
        Bar("AAPL", DAY, Decimal(10)),
        Bar("AAPL", DAY, Decimal(10), Decimal(12), Decimal(9), Decimal(11)),
        Bar("AAPL", DAY, Decimal(10), Decimal(12), Decimal(9), Decimal("11.000001"), 5),
    ]
    assert len({hash_of(one) for one in [bar, *others]}) == 4
    for one in [bar, *others]:
        assert bar_of_line(canonical(one)) == one


def test_a_refusal_reads_as_a_sentence_with_its_place() -> None:
    refused = RejectedBar("p.csv", 3, "AAPL", "2025-10-01", "open is missing")
    assert str(refused) == "p.csv, line 3: AAPL 2025-10-01: open is missing"
    assert str(RejectedBar("x.json", None, "", "", "no JSON")) == "x.json: no JSON"
