"""Every source gives the same bars for the same prices, and refuses a bad bar without losing a good one."""

import gc
import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from aitrader_pipeline.errors import ConfigError, PriceError
from aitrader_pipeline.market.bars import Bar, PriceBatch, RejectedBar
from aitrader_pipeline.market.sources import open_source

HEADER = "symbol,date,open,high,low,close,volume\n"
PRICES = """\
AAPL,2025-10-01,100.5,104,99.25,103,1000
AAPL,2025-10-02,105,106.123456,104,104,2000
MSFT,2025-10-01,200,201,198,198,3000
MSFT,2025-10-02,195,,,,
"""
BARS = (
    Bar("AAPL", date(2025, 10, 1), Decimal("100.5"), Decimal(104), Decimal("99.25"), Decimal(103), 1000),
    Bar("AAPL", date(2025, 10, 2), Decimal(105), Decimal("106.123456"), Decimal(104), Decimal(104), 2000),
    Bar("MSFT", date(2025, 10, 1), Decimal(200), Decimal(201), Decimal(198), Decimal(198), 3000),
    Bar("MSFT", date(2025, 10, 2), Decimal(195)),
)
MERGED_KEYS = ("1. buy price", "2. high", "3. low", "4. sell price", "5. volume")
VENDOR_KEYS = ("1. open", "2. high", "3. low", "4. close", "5. volume")


def document(symbol: str, keys: tuple[str, ...], rows: dict[str, tuple[str, ...]]) -> dict[str, object]:
    series = {day: dict(zip(keys, values, strict=False)) for day, values in rows.items()}
    return {"Meta Data": {"1. Information": "Daily Prices", "2. Symbol": symbol}, "Time Series (Daily)": series}


APPLE: dict[str, tuple[str, ...]] = {
    "2025-10-02": ("105", "106.123456", "104", "104", "2000"),
    "2025-10-01": ("100.5", "104", "99.25", "103", "1000"),
}
MICROSOFT: dict[str, tuple[str, ...]] = {
    "2025-10-02": ("195",),
    "2025-10-01": ("200.0000", "201", "198", "198", "3000"),
}


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read_csv(tmp_path: Path, text: str | bytes) -> PriceBatch:
    return open_source("files", write(tmp_path / "prices.csv", text)).read("XNAS")


def read_jsonl(tmp_path: Path, *lines: object) -> PriceBatch:
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    return open_source("merged_jsonl", write(tmp_path / "merged.jsonl", text)).read("XNAS")


def test_csv_parquet_jsonl_and_the_vendor_s_files_give_the_same_bars_and_hash(tmp_path: Path) -> None:
    table = read_csv(tmp_path, HEADER + PRICES)
    parquet = tmp_path / "p*.parquet"  # a name that DuckDB would take for a pattern, and find another file by
    with duckdb.connect() as con:
        con.execute("CREATE TABLE t AS SELECT * FROM read_csv(?)", [str(tmp_path / "prices.csv")])
        con.execute(f"COPY t TO '{tmp_path / 'all.parquet'}' (FORMAT parquet)")
        con.execute("UPDATE t SET symbol = 'QQQ'")
        con.execute(f"COPY t TO '{tmp_path / 'pq.parquet'}' (FORMAT parquet)")
    (tmp_path / "all.parquet").rename(parquet)
    folder = tmp_path / "vendor"
    for symbol, rows in (("AAPL", APPLE), ("MSFT", MICROSOFT)):
        write(folder / f"daily_{symbol}.json", json.dumps(document(symbol, VENDOR_KEYS, rows), indent=4))
    batches = [
        table,
        open_source("files", parquet).read("XNAS"),
        read_jsonl(tmp_path, document("AAPL", MERGED_KEYS, APPLE), document("MSFT", MERGED_KEYS, MICROSOFT)),
        open_source("merged_jsonl", folder).read("XNAS"),
    ]
    assert [batch.source for batch in batches] == ["files", "files", "merged_jsonl", "merged_jsonl"]
    for batch in batches:
        assert batch.bars == BARS
        assert batch.rejected == ()
    assert len({batch.content_hash for batch in batches}) == 1


def test_a_csv_row_that_cannot_be_is_refused_with_its_line_and_the_rest_loads(tmp_path: Path) -> None:
    rows = [
        "AAPL,2025-10-01,100.5,104,99.25,103,1000",
        "AAPL,2025-10-03,110,109,100,105,1",  # line 3
        "",
        "AAPL,2025-10-06,100,109,100,110,1",  # line 5
        "AAPL,2025-10-07,-1,109,100,105,1",
        "AAPL,2025-10-08,nan,109,100,105,1",
        "AAPL,2025-10-09,100,109,,105,1",
        "AAPL,2025-13-09,100,109,100,105,1",
        "AAPL,2025-10-11,100,109,100,105,1",
        "AAPL,2025-10-13,100,109,100,105,-5",
        "AAPL,2025-10-14,100,109,100,105,0.5",
        ",2025-10-15,100,109,100,105,1",
        "AAPL,2025-10-16,100,109,100",
        "AAPL,2025-10-17,,,,,",
        '"AAPL,2025-10-20,100,109,100,105,1',
        "MSFT,2025-10-01,200,201,198,198,3000",
    ]
    batch = read_csv(tmp_path, HEADER + "\n".join(rows))
    assert batch.bars == (BARS[0], BARS[2])
    assert [(refused.line, refused.reason) for refused in batch.rejected] == [
        (3, "open 110 is outside low..high 100..109"),
        (5, "close 110 is outside low..high 100..109"),
        (6, "open '-1' is not above 0 (with six decimals)"),
        (7, "open 'nan' is no finite number"),
        (8, "partial bar: low missing (all of high, low, close or the open alone)"),
        (9, "date '2025-13-09' is no date YYYY-MM-DD"),
        (10, "2025-10-11 is no session of XNAS"),
        (11, "volume '-5' is negative"),
        (12, "volume '0.5' is no whole number of shares"),
        (13, "symbol is missing"),
        (14, "5 values where the header names 7 columns"),
        (15, "open is missing"),
        (16, "1 values where the header names 7 columns"),
    ]
    assert {refused.file for refused in batch.rejected} == {"prices.csv"}
    assert (batch.rejected[0].symbol, batch.rejected[0].date) == ("AAPL", "2025-10-03")


def test_a_repeated_bar_is_harmless_and_a_contradicting_one_is_refused_with_both_values(tmp_path: Path) -> None:
    first, *_ = PRICES.splitlines()
    batch = read_csv(tmp_path, f"{HEADER}{first}\n{first}\n{first.replace(',103,', ',103.5,')}\n")
    assert batch.bars == BARS[:1]
    [refused] = batch.rejected
    assert refused == RejectedBar(
        "prices.csv",
        4,
        "AAPL",
        "2025-10-01",
        "second bar with other values: open 100.5, high 104, low 99.25, close 103.5, volume 1000;"
        " kept: open 100.5, high 104, low 99.25, close 103, volume 1000",
    )


def test_a_spoilt_byte_and_an_endless_value_cost_their_own_rows_only(tmp_path: Path) -> None:
    rows = [b"AA\xffPL,2025-10-01,1,1,1,1,1", b"A" * 200_000, PRICES.encode()]
    batch = read_csv(tmp_path, HEADER.encode() + b"\n".join(rows))
    assert batch.bars == BARS
    assert [refused.line for refused in batch.rejected] == [2, 3]
    assert all(len(str(refused)) < 200 for refused in batch.rejected)


def test_columns_may_stand_in_any_order_and_case_with_others_between(tmp_path: Path) -> None:
    text = "\ufeffVolume,Close,note,Low,High,Open, Date ,SYMBOL\r\n1000,103,x,99.25,104,100.5,2025-10-01,aapl\r\n"
    assert read_csv(tmp_path, text).bars == BARS[:1]


def test_quotes_are_read_as_csv_has_them(tmp_path: Path) -> None:
    header = "symbol,date,open,high,low,close,volume,note\n"
    rows = (
        '"AAPL","2025-10-01","100.5","104","99.25","103","1000","a, b"\n'
        "AAPL,2025-10-02,105,106.123456,104,104,2000,c\n"
        'MSFT,2025-10-01,200,201,198,198,3000,"said ""so"""\n'
    )
    batch = read_csv(tmp_path, header + rows)
    assert (batch.bars, batch.rejected) == (BARS[:3], ())


def test_the_first_of_two_bars_stands_however_each_is_written(tmp_path: Path) -> None:
    rows = "AAPL,2025-10-01,1e1,,,,\nAAPL,2025-10-01,11,,,,\nMSFT,2025-10-01,11,,,,\nMSFT,2025-10-01,1e1,,,,\n"
    batch = read_csv(tmp_path, HEADER + rows)
    assert [(bar.symbol, bar.open) for bar in batch.bars] == [("AAPL", Decimal(10)), ("MSFT", Decimal(11))]
    assert [refused.line for refused in batch.rejected] == [3, 5]


def test_a_missing_column_is_named_with_the_file(tmp_path: Path) -> None:
    with pytest.raises(PriceError, match=r"prices\.csv: no column high, volume \(found: symbol, date, open"):
        read_csv(tmp_path, "symbol,date,open,low,close\nAAPL,2025-10-01,1,1,1\n")
    with duckdb.connect() as con:
        con.execute(f"COPY (SELECT 'AAPL' AS symbol) TO '{tmp_path / 'p.parquet'}' (FORMAT parquet)")
    with pytest.raises(PriceError, match=r"p\.parquet: no column date, open"):
        open_source("files", tmp_path / "p.parquet").read("XNAS")


def test_a_bad_parquet_row_is_refused_with_its_number(tmp_path: Path) -> None:
    with duckdb.connect() as con:
        con.execute(
            "CREATE TABLE t (symbol VARCHAR, date TIMESTAMP,"
            " open DOUBLE, high DOUBLE, low DOUBLE, close DOUBLE, volume DOUBLE)"
        )
        con.execute(
            "INSERT INTO t VALUES"
            " ('AAPL', '2025-10-01', 100.5, 104, 99.25, 103, 1000),"
            " ('AAPL', '2025-10-02', 'nan', 104, 99.25, 103, 1000),"
            " ('AAPL', '2025-10-03', 100.5, 104, 99.25, 103, 0.5)"
        )
        con.execute(f"COPY t TO '{tmp_path / 'p.parquet'}' (FORMAT parquet)")
    batch = open_source("files", tmp_path / "p.parquet").read("XNAS")
    assert batch.bars == BARS[:1]
    assert [str(refused) for refused in batch.rejected] == [
        "p.parquet: AAPL 2025-10-02 00:00:00: row 2: open 'nan' is no finite number",
        "p.parquet: AAPL 2025-10-03 00:00:00: row 3: volume '0.5' is no whole number of shares",
    ]


def test_a_folder_is_read_whole_and_a_broken_parquet_file_in_it_costs_itself_only(tmp_path: Path) -> None:
    lines = PRICES.splitlines(keepends=True)
    write(tmp_path / "b.csv", HEADER + "".join(lines[2:]))
    write(tmp_path / "a.CSV", HEADER + "".join(lines[:3]))
    write(tmp_path / "c.parquet", "this is no Parquet file, whatever it is called")
    write(tmp_path / "notes.txt", "not prices")
    write(tmp_path / ".hidden.csv", "not prices")
    batch = open_source("files", tmp_path).read("XNAS")
    assert batch.bars == BARS
    [refused] = batch.rejected
    assert refused.file == "c.parquet"
    assert "cannot be read as Parquet" in refused.reason


def test_a_bad_jsonl_line_is_refused_with_its_number_and_the_rest_loads(tmp_path: Path) -> None:
    batch = read_jsonl(
        tmp_path,
        "{broken",
        "",
        ["a list"],
        {"Note": "your key ABC123 has used up its calls", "Information": "x"},
        {"Meta Data": {}, "Time Series (Daily)": {"2025-10-01": {"1. open": "1"}}},
        document("AAPL", MERGED_KEYS, APPLE | {"2025-10-03": ("1", "0.5", "0.5", "0.5"), "2025-10-04": ("1",)}),
        {"Meta Data": {"2. Symbol": "X"}, "Time Series (Daily)": {"2025-10-01": 5}},
        document("MSFT", MERGED_KEYS, MICROSOFT),
        "[" * 100_000,
    )
    assert batch.bars == BARS
    assert [(refused.line, refused.symbol, refused.date) for refused in batch.rejected] == [
        (1, "", ""),
        (3, "", ""),
        (4, "", ""),
        (5, "", ""),
        (6, "AAPL", "2025-10-03"),
        (6, "AAPL", "2025-10-04"),
        (7, "X", "2025-10-01"),
        (9, "", ""),
    ]
    text = "\n".join(str(refused) for refused in batch.rejected)
    for reason in (
        "no JSON",
        "'Note', 'Information'",
        "no symbol",
        "outside low..high",
        "no session",
        "no JSON object",
    ):
        assert reason in text
    assert "ABC123" not in text


def test_reading_json_leaves_the_collection_of_garbage_as_it_was(tmp_path: Path) -> None:
    read_jsonl(tmp_path, document("AAPL", MERGED_KEYS, APPLE))
    assert gc.isenabled()
    with pytest.raises(PriceError):
        read_jsonl(tmp_path, "no JSON")
    assert gc.isenabled()


def test_a_date_or_field_that_a_json_object_repeats_is_not_overwritten_silently(tmp_path: Path) -> None:
    line = (
        '{"Meta Data": {"2. Symbol": "AAPL"}, "Time Series (Daily)": {'
        '"2025-10-01": {"1. open": "10"}, "2025-10-01": {"1. open": "11"}, "2025-10-01": {"1. buy price": "10"},'
        '"2025-10-02": {"1. open": "10", "1. buy price": "12"}}}'
    )
    batch = read_jsonl(tmp_path, line)
    assert batch.bars == (Bar("AAPL", date(2025, 10, 1), Decimal(10)),)
    assert [refused.reason for refused in batch.rejected] == [
        "second bar with other values: open 11; kept: open 10",
        "open is given twice with different values",
    ]


def test_a_file_of_the_vendor_s_folder_that_is_no_series_is_one_refusal_that_names_it(tmp_path: Path) -> None:
    good = document("AAPL", VENDOR_KEYS, APPLE | {"2025-10-03": ("1", "x", "1", "1", "1")})
    write(tmp_path / "a.json", json.dumps(good, indent=4))
    write(tmp_path / "b.json", '{\n "Meta Data": {\n')
    write(tmp_path / "c.json", "{}")
    write(tmp_path / "d.json", "")
    batch = open_source("merged_jsonl", tmp_path).read("XNAS")
    assert batch.bars == BARS[:2]
    assert [(refused.file, refused.line) for refused in batch.rejected] == [
        ("a.json", None),
        ("b.json", 3),
        ("c.json", None),
        ("d.json", 1),
    ]
    assert batch.rejected[0].reason == "bar of 2025-10-03: high 'x' is no finite number"
    assert "(keys: none)" in batch.rejected[2].reason


@pytest.mark.parametrize("source", ["files", "merged_jsonl"])
def test_a_path_to_nothing_usable_is_an_error_with_the_way_out(tmp_path: Path, source: str) -> None:
    with pytest.raises(PriceError, match=r"no such file or folder; needed is a "):
        open_source(source, tmp_path / "missing").read("XNAS")
    with pytest.raises(PriceError, match=r"the file is empty; needed is a "):
        open_source(source, write(tmp_path / "empty", "")).read("XNAS")
    (tmp_path / "folder").mkdir()
    with pytest.raises(PriceError, match=r"folder: no \..* file in this folder; needed is a "):
        open_source(source, tmp_path / "folder").read("XNAS")


def test_a_file_without_a_usable_bar_is_an_error_that_shows_the_first_refusals(tmp_path: Path) -> None:
    with pytest.raises(PriceError) as error:
        read_csv(tmp_path, HEADER + "AAPL,2025-10-04,1,1,1,1,1\n" * 5)
    assert "no usable bar in it; needed is a CSV or Parquet file" in str(error.value)
    assert "prices.csv, line 2: AAPL 2025-10-04: 2025-10-04 is no session of XNAS" in str(error.value)
    assert "and 2 more" in str(error.value)


def test_an_unknown_source_and_a_forgotten_path_are_errors_that_say_what_is_right(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'csv' is unknown; known are files, merged_jsonl, sample"):
        open_source("csv", tmp_path)
    for source in ("files", "merged_jsonl"):
        with pytest.raises(ConfigError, match=f"{source} needs a path"):
            open_source(source, None)


def test_an_unknown_calendar_is_an_error_and_not_a_file_of_refusals(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'NOWHERE' is unknown"):
        open_source("files", write(tmp_path / "p.csv", HEADER + PRICES)).read("NOWHERE")
