"""Recorded books become sessions through the ledger, and a book that breaks its rules is told line by line."""

import asyncio
import datetime as dt
import json
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest

from aitrader_pipeline.errors import BookError, StoreError
from aitrader_pipeline.market.sources import open_source
from aitrader_pipeline.store.records import RecordStore
from aitrader_pipeline.trading.arena import Arena
from aitrader_pipeline.trading.book_import import accept, find_books, read_book, store_book
from aitrader_pipeline.trading.record import SessionRecord
from aitrader_pipeline_tests.benchmark_data import benchmark_data, write_benchmark_config
from aitrader_pipeline_tests.markets import (
    GOLDEN_DAYS,
    OCT_02,
    OCT_03,
    OCT_06,
    OCT_07,
    baseline,
    book_of,
    day,
    finished,
    new_arena,
    open_arena,
)
from aitrader_pipeline_tests.recorded_books import (
    GOLDEN_BOOK,
    M,
    Reading,
    action,
    at,
    both,
    dropping,
    golden_book,
    kinds,
    more_cash_from,
    reader,
    row,
    shares_from,
    stating,
    write_book,
)


@pytest.fixture
def arena(tmp_path: Path) -> Arena:
    return new_arena(tmp_path, [baseline("cash")])


@pytest.fixture
def reading(tmp_path: Path, arena: Arena) -> Reading:
    return reader(tmp_path, arena)


def files_of(store: RecordStore) -> dict[str, bytes]:
    return {str(p.relative_to(store.root)): p.read_bytes() for p in store.root.rglob("*.json")}


def stored_of(store: RecordStore, model: str = M) -> list[SessionRecord]:
    return [record for date in store.dates(model) if (record := store.read(model, date)) is not None]


# --- a sound book ---


def test_a_sound_book_becomes_one_record_a_session_with_the_ledger_s_exact_money(reading: Reading) -> None:
    book = reading(golden_book())
    assert book.breaches == ()
    assert [record.date for record in book.records] == [day(date) for date in GOLDEN_DAYS]
    assert [book_of(record) for record in book.records] == [
        (Decimal(1000), {"AAPL": 20, "MSFT": 10, "NVDA": 100}),
        (Decimal(1000), {"AAPL": 20, "MSFT": 10, "NVDA": 100}),
        (Decimal(5005), {"AAPL": 5, "MSFT": 23}),
        (Decimal(4405), {"AAPL": 5, "MSFT": 23, "NVDA": 10}),
    ]
    assert [record.session_number for record in book.records] == [1, 2, 3, 4]
    assert book.records[0].opened_from is None
    for before, after in zip(book.records, book.records[1:], strict=False):
        assert after.opened_from == before.ref
        assert after.start == before.end


def test_several_rows_of_a_date_are_that_day_s_actions_in_order(reading: Reading) -> None:
    record = reading(golden_book()).records[2]
    assert [(a.action_id, a.type, a.symbol, a.amount, a.price, a.cash) for a in record.actions] == [
        (1, "sell", "AAPL", 15, Decimal(110), Decimal(2650)),
        (2, "buy", "MSFT", 13, Decimal(190), Decimal(180)),
        (3, "sell", "NVDA", 100, Decimal("48.25"), Decimal(5005)),
    ]
    assert record.book is not None
    assert record.book.lines == (6, 7, 8)


def test_a_day_of_no_trade_is_a_record_without_actions(reading: Reading) -> None:
    record = reading(golden_book()).records[1]
    assert record.actions == ()
    assert record.refusals == ()
    assert record.start == record.end


def test_an_imported_record_says_what_it_is_and_where_it_comes_from(reading: Reading, arena: Arena) -> None:
    book = reading(golden_book())
    record = book.records[2]
    assert (record.source, record.kind, record.trader, record.end_reason) == (
        "import",
        "model",
        "import",
        "imported",
    )
    assert (record.messages, record.calls, record.tools) == ((), (), ())
    assert record.versions.config == ""
    assert record.versions.prices == arena.view(day(OCT_06)).hash
    assert record.started_at == record.finished_at == dt.datetime(2025, 10, 6, 13, 30, tzinfo=dt.UTC)
    assert record.book is not None
    assert record.book.file == "position/position.jsonl"
    assert len(record.book.sha256) == 64
    assert record.book.breaches == ()


def test_an_import_has_no_costs_whatever_the_config_charges(tmp_path: Path) -> None:
    arena = new_arena(tmp_path, [baseline("cash")], costs={"per_order": 1, "bps": 50})
    book = read_book(M, write_book(tmp_path, golden_book()), arena, "import-1")
    assert book.breaches == ()
    assert book.records[-1].end.cash == 4405
    assert {action.costs for record in book.records for action in record.fills} == {0}


@pytest.mark.parametrize("adjusted", [False, True])
def test_an_import_holds_what_its_file_says_and_says_what_prices_it_was_checked_by(
    tmp_path: Path, *, adjusted: bool
) -> None:
    actions = (f"AAPL,{OCT_03},dividend,1", f"MSFT,{OCT_06},split,2", f"NVDA,{OCT_03},symbol_change,,NVDB")
    arena = new_arena(tmp_path, [baseline("cash")], actions=actions, market={"adjusted": adjusted})
    book = read_book(M, write_book(tmp_path, golden_book()), arena, "import-1")
    assert book.breaches == ()
    assert [record.events for record in book.records] == [()] * 4
    assert book_of(book.records[-1]) == (Decimal(4405), {"AAPL": 5, "MSFT": 23, "NVDA": 10})
    assert {record.book.adjusted for record in book.records if record.book} == {adjusted}


def test_an_import_of_before_reads_back_as_it_was_and_so_with_its_hash(reading: Reading) -> None:
    stored = json.loads(reading(golden_book()).records[0].to_json())
    del stored["book"]["adjusted"]
    old = SessionRecord.model_validate_json(json.dumps(stored))
    assert json.loads(old.to_json()) == stored
    assert b"adjusted" not in old.essence()


def test_blank_lines_windows_line_ends_and_a_byte_order_mark_are_no_breach(tmp_path: Path, arena: Arena) -> None:
    path = write_book(tmp_path, "\ufeff" + "\r\n\r\n".join(json.dumps(row) for row in golden_book()) + "\r\n\r\n")
    book = read_book(M, path, arena, "import-1")
    assert book.breaches == ()
    assert book.records[-1].book is not None
    assert book.records[-1].book.lines == (17,)


def test_a_book_may_open_on_the_arena_s_first_day(tmp_path: Path) -> None:
    arena = new_arena(tmp_path, [baseline("cash")], first="2025-10-01")
    book = read_book(M, write_book(tmp_path, golden_book()), arena, "import-1")
    assert book.breaches == ()
    assert len(book.records) == 4


def test_a_stated_price_that_is_the_open_is_no_breach(reading: Reading) -> None:
    rows = golden_book()
    rows[7]["this_action"]["price"] = 48.25
    assert reading(rows).breaches == ()


def test_an_order_that_the_book_itself_shows_as_not_executed_is_one_breach(reading: Reading) -> None:
    rows = golden_book()
    rows[4]["this_action"] = {"action": "buy", "symbol": "NVDA", "amount": 19}
    book = reading(rows)
    assert kinds(book) == [(5, "refused")]
    assert [refusal.code for refusal in book.records[1].refusals] == ["insufficient_cash"]


# --- accepted all the same ---


def test_accepted_breaches_are_flagged_on_the_records_of_their_days(reading: Reading, arena: Arena) -> None:
    rows = golden_book()
    both(stating(0, CASH=15000.0), more_cash_from(1, 5000.0), shares_from(5, AAPL=6), at(8, date="2025-10-11"))(
        rows
    )
    book = reading(rows)
    accept(book, accept_breaches=True)
    store_book(book, arena.records)
    flags = {
        str(r.date): [b.partition(":")[0] for b in r.book.breaches] for r in stored_of(arena.records) if r.book
    }
    assert flags[OCT_02][0] == "line 1 (2025-10-01)"
    assert flags[OCT_03] == []
    assert flags[OCT_06] == ["line 6 (2025-10-06)", "line 9 (2025-10-11)"]
    assert sum(map(len, flags.values())) == len(book.breaches)


def test_a_record_holds_what_the_ledger_did_not_what_the_book_claims(reading: Reading) -> None:
    rows = golden_book()
    both(more_cash_from(3, 5000.0), action(8, amount=90), stating(8, NVDA=90, CASH=4605.0))(rows)
    book = reading(rows)
    # The claimed 5000 would have paid for the order of line 9; the ledger's cash does not.
    assert kinds(book) == [(4, "cash"), (9, "refused")]
    last = book.records[-1]
    assert book_of(last) == (Decimal(5005), {"AAPL": 5, "MSFT": 23})
    assert [(r.type, r.symbol, r.amount, r.code) for r in last.refusals] == [
        ("buy", "NVDA", "90", "insufficient_cash")
    ]
    assert last.refusals[0].details == {"required": 5400, "available": 5005}


def test_a_row_of_a_day_that_is_no_session_is_left_out_and_the_next_is_checked_by_it(reading: Reading) -> None:
    rows = golden_book()
    rows.insert(8, row(8, "2025-10-05", "sell AAPL 1", 5115.0, AAPL=4, MSFT=23))
    rows[9].update(id=9)
    rows[9]["positions"].update(AAPL=4, CASH=4515.0)
    book = reading(rows)
    assert kinds(book) == [(9, "date")]
    assert book.records[-1].end.shares == {"AAPL": 5, "MSFT": 23, "NVDA": 10}
    flagged = {str(r.date): r.book.breaches for r in book.records if r.book and r.book.breaches}
    assert list(flagged) == [OCT_03], "the session next before the Sunday"
    assert all(9 not in r.book.lines for r in book.records if r.book)


def test_a_day_whose_only_row_is_malformed_still_has_its_record(reading: Reading) -> None:
    rows = golden_book()
    rows[4]["this_action"]["action"] = "wait"
    book = reading(rows)
    assert kinds(book) == [(5, "malformed")]
    assert [str(r.date) for r in book.records] == list(GOLDEN_DAYS)
    assert book.records[1].actions == ()
    assert book.records[1].book is not None
    assert book.records[1].book.lines == (5,)
    assert len(book.records[1].book.breaches) == 1


def test_an_accepted_gap_links_the_records_on_either_side(reading: Reading) -> None:
    rows = golden_book()
    dropping(4)(rows)
    book = reading(rows)
    assert [str(r.date) for r in book.records] == [OCT_02, OCT_06, OCT_07]
    assert book.records[1].opened_from == book.records[0].ref
    assert book.records[1].book is not None
    assert "2025-10-03" in book.records[1].book.breaches[0]


# --- storing ---


def test_a_refused_book_writes_nothing(reading: Reading, arena: Arena) -> None:
    rows = golden_book()
    more_cash_from(5, 1.0)(rows)
    with pytest.raises(BookError):
        accept(reading(rows), accept_breaches=False)
    assert not arena.records.root.exists()


def test_importing_twice_gives_the_same_essence_and_the_newer_launch(reading: Reading, arena: Arena) -> None:
    assert store_book(reading(golden_book(), launch="import-1"), arena.records) == ()
    first = stored_of(arena.records)
    assert store_book(reading(golden_book(), launch="import-2"), arena.records) == ()
    second = stored_of(arena.records)
    assert [r.essence() for r in second] == [r.essence() for r in first]
    assert {r.launch for r in second} == {"import-2"}
    assert len(second) == 4


def test_importing_twice_under_one_launch_gives_the_same_bytes(reading: Reading, arena: Arena) -> None:
    store_book(reading(golden_book()), arena.records)
    before = files_of(arena.records)
    store_book(reading(golden_book()), arena.records)
    assert files_of(arena.records) == before


def test_a_shorter_book_takes_the_earlier_import_s_later_days_away(reading: Reading, arena: Arena) -> None:
    store_book(reading(golden_book()), arena.records)
    assert store_book(reading(golden_book()[:5]), arena.records) == (day(OCT_06), day(OCT_07))
    assert arena.records.dates(M) == [day(OCT_02), day(OCT_03)]


def test_sessions_that_were_really_run_are_never_replaced(tmp_path: Path, arena: Arena) -> None:
    finished(arena, "cash", [OCT_02, OCT_03])
    before = files_of(arena.records)
    book = read_book("cash", write_book(tmp_path, golden_book(), model="cash"), arena, "import-1")
    with pytest.raises(BookError, match=r"cash has 2 sessions that were really run \(2025-10-02 to 2025-10-03\)"):
        store_book(book, arena.records)
    assert files_of(arena.records) == before


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """The kernel refuses every write beyond this many bytes, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_write_that_fails_midway_puts_everything_back(reading: Reading, arena: Arena) -> None:
    short = [GOLDEN_BOOK[0], row(1, OCT_02, "no_trade", 10000.0)]
    store_book(reading(short, launch="import-1"), arena.records)
    before = files_of(arena.records)
    busy = [*short, row(2, OCT_03, "no_trade", 10000.0)]
    busy += [
        row(3 + n, OCT_06, ("buy", "sell")[n % 2] + " AAPL 1", (9890, 10000)[n % 2], AAPL=1 - n % 2)
        for n in range(20)
    ]
    book = reading(busy, launch="import-2")
    accept(book, accept_breaches=False)
    sizes = [len(record.to_json()) for record in book.records]
    with no_file_larger_than(sizes[-1] - 1), pytest.raises(StoreError, match="cannot write"):
        store_book(book, arena.records)
    assert max(sizes[:2]) < sizes[-1] - 1
    assert files_of(arena.records) == before


def test_an_import_waits_for_the_run_that_trades_the_model(reading: Reading, arena: Arena) -> None:
    book = reading(golden_book())
    waits = threading.Event()

    async def import_while_a_run_holds_the_chain() -> list[dt.date]:
        async with arena.records.lock(M, lambda: None):
            importing = asyncio.create_task(asyncio.to_thread(store_book, book, arena.records, on_wait=waits.set))
            assert await asyncio.to_thread(waits.wait, 30)
            written = arena.records.dates(M)
        await importing
        return written

    assert asyncio.run(import_while_a_run_holds_the_chain()) == []
    assert len(arena.records.dates(M)) == 4


# --- finding ---


def test_books_are_found_under_a_folder_or_in_a_model_s_own(tmp_path: Path) -> None:
    second = write_book(tmp_path, golden_book(), model="model-b")
    first = write_book(tmp_path, golden_book(), model="model-a")
    (tmp_path / "books" / "notes").mkdir()
    (tmp_path / "books" / "readme.txt").write_text("no book")
    assert find_books(tmp_path / "books") == [("model-a", first), ("model-b", second)]
    assert find_books(tmp_path / "books" / "model-b") == [("model-b", second)]
    assert find_books(tmp_path / "books" / "notes" / ".." / "model-b") == [
        ("model-b", tmp_path / "books" / "notes" / ".." / "model-b" / "position" / "position.jsonl")
    ]
    assert find_books(tmp_path / "books" / "model-b" / "position" / "..")[0][0] == "model-b"


def test_a_folder_without_books_is_told_with_the_layout(tmp_path: Path) -> None:
    with pytest.raises(
        BookError, match=r"no books in it; give a folder that holds <signature>/position/position\.jsonl"
    ):
        find_books(tmp_path)
    with pytest.raises(BookError, match="no such folder"):
        find_books(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["a model", ".hidden", "x" * 101, "model=a"])
def test_a_folder_whose_name_is_no_signature_is_refused(tmp_path: Path, name: str) -> None:
    write_book(tmp_path, golden_book(), model=name)
    with pytest.raises(BookError, match="the folder's name is the model's signature"):
        find_books(tmp_path / "books")


@pytest.mark.parametrize("name", ["../outside", "", "a/b"])
def test_a_model_whose_name_leads_elsewhere_is_refused(tmp_path: Path, arena: Arena, name: str) -> None:
    path = write_book(tmp_path, golden_book())
    with pytest.raises(BookError, match="not a signature"):
        read_book(name, path, arena, "import-1")


def test_a_book_that_is_not_there_is_told_with_its_path(tmp_path: Path, arena: Arena) -> None:
    with pytest.raises(BookError, match=r"position\.jsonl cannot be read: No such file"):
        read_book(M, tmp_path / "position.jsonl", arena, "import-1")


# --- the benchmark's own books ---


@pytest.fixture
def shared() -> Path:
    return benchmark_data()


@pytest.mark.parametrize(
    ("signature", "equity"),
    [("deepseek-chat-v3.1", "11388.94"), ("gpt-5", "10711.49"), ("qwen3-max", "10343.93")],
)
def test_the_benchmark_s_books_have_no_breach_and_end_at_the_published_equity(
    tmp_path: Path, shared: Path, signature: str, equity: str
) -> None:
    write_benchmark_config(tmp_path)
    arena = open_arena(tmp_path)
    book = read_book(signature, dict(find_books(shared / "agent_data"))[signature], arena, "import-1")
    assert book.breaches == ()
    accept(book, accept_breaches=False)
    store_book(book, arena.records)
    records = stored_of(arena.records, signature)
    assert len(records) == 21
    last = records[-1]
    assert str(last.date) == "2025-10-30"
    bars = open_source("merged_jsonl", shared / "nasdaq100_daily" / "raw").read("XNAS").bars
    closes = {bar.symbol: bar.close for bar in bars if bar.date == last.date and bar.close is not None}
    value = last.end.portfolio().value(closes.__getitem__)
    assert value.quantize(Decimal("0.01"), ROUND_HALF_UP) == Decimal(equity)
