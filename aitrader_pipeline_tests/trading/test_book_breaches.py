"""A recorded book that breaks the ledger's rules is told line by line, each breach once and with its numbers."""

import json
from pathlib import Path

import pytest

from aitrader_pipeline.errors import BookError
from aitrader_pipeline.trading.arena import Arena
from aitrader_pipeline.trading.book_import import accept, read_book, store_book
from aitrader_pipeline_tests.markets import GOLDEN, OCT_02, OCT_03, OCT_07, baseline, new_arena
from aitrader_pipeline_tests.recorded_books import (
    GOLDEN_BOOK,
    Change,
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
    skipping_an_id_at,
    stating,
    without,
    write_book,
)


@pytest.fixture
def arena(tmp_path: Path) -> Arena:
    return new_arena(tmp_path, [baseline("cash")])


@pytest.fixture
def reading(tmp_path: Path, arena: Arena) -> Reading:
    return reader(tmp_path, arena)


BREACHES = [
    pytest.param(
        more_cash_from(5, 1.0),
        [(6, "cash")],
        ["line 6 (2025-10-06): states cash 2651; by the ledger 1000 + 1650 = 2650"],
        id="cash from nowhere",
    ),
    pytest.param(more_cash_from(4, 0.00001), [(5, "cash")], ["states cash 1000.00001"], id="a little cash"),
    pytest.param(
        shares_from(5, AAPL=6),
        [(6, "shares")],
        ["line 6 (2025-10-06): states 6 AAPL; by the ledger 5"],
        id="a share from nowhere",
    ),
    pytest.param(shares_from(4, ZZZ=1), [(5, "shares")], ["states 1 ZZZ; by the ledger 0"], id="a strange share"),
    pytest.param(
        shares_from(5, AAPL=4.5),
        [(6, "shares")],
        ["states 4.5 AAPL; by the ledger 5"],
        id="fractional shares",
    ),
    pytest.param(
        both(action(8, amount=100), stating(8, NVDA=100, CASH=-995.0)),
        [(9, "refused"), (9, "cash")],
        [
            "line 9 (2025-10-07): buy 100 NVDA: insufficient_cash: 6000 required, 5005 available",
            "states cash -995; cash is never negative",
        ],
        id="more than the cash",
    ),
    pytest.param(
        both(action(5, amount=25), stating(5, AAPL=-5, CASH=3750.0), dropping(6, 7, 8)),
        [(6, "refused"), (6, "shares")],
        [
            "sell 25 AAPL: insufficient_shares: 20 AAPL held, 25 wanted",
            "states -5 AAPL; shares are whole and never negative",
        ],
        id="more than the shares",
    ),
    pytest.param(
        both(action(8, action="sell"), stating(8, NVDA=-10, CASH=5605.0)),
        [(9, "refused"), (9, "shares")],
        ["sell 10 NVDA: no_position: no NVDA is held"],
        id="what is not held",
    ),
    pytest.param(at(5, id=3), [(6, "duplicate_id"), (7, "id")], ["id 3 stands", "id 6 follows 3"], id="id twice"),
    pytest.param(
        skipping_an_id_at(5),
        [(6, "id")],
        ["id 6 follows 4; ids ascend by one, so it should be 5"],
        id="ids with a hole",
    ),
    pytest.param(
        both(at(8, date=OCT_03), action(8, action="no_trade"), stating(8, NVDA=0, CASH=5005.0)),
        [(9, "date")],
        ["line 9 (2025-10-03): 2025-10-03 goes back behind 2025-10-06"],
        id="a date that goes back",
    ),
    pytest.param(at(8, date="2025-10-11"), [(9, "date")], ["2025-10-11 is no session of XNAS"], id="a Saturday"),
    pytest.param(at(8, date="1871-10-07"), [(9, "date")], ["1871-10-07 is no session"], id="another century"),
    pytest.param(
        at(1, date="2025-09-30"),
        # The ledger has no AAPL from the row that is left out, and refuses to sell it on line 6.
        [(2, "date"), (6, "refused")],
        ["2025-09-30 is before the arena's first session (date_range.init_date is 2025-10-02)"],
        id="before the arena",
    ),
    pytest.param(
        at(8, date="2025-10-08"),
        [(9, "date")],
        ["2025-10-08 is after the newest session with prices, 2025-10-07"],
        id="without prices",
    ),
    pytest.param(
        at(8, date="2025-11-03"),
        [(9, "date")],
        ["2025-11-03 is after the arena's last session (date_range.end_date is 2025-10-31)"],
        id="after the arena",
    ),
    pytest.param(at(8, date="2025-02-30"), [(9, "date")], ["'2025-02-30' is no day"], id="no day at all"),
    pytest.param(at(8, date="20251007"), [(9, "date")], ["'20251007' is no day"], id="a day in another form"),
    pytest.param(
        both(action(8, symbol="TSLA"), stating(8, NVDA=0, TSLA=10)),
        [(9, "unknown_symbol")],
        ["line 9 (2025-10-07): buy 10 TSLA: unknown_symbol: TSLA is not in the universe"],
        id="a symbol that nobody knows",
    ),
    pytest.param(
        both(action(8, amount=0), stating(8, NVDA=0, CASH=5005.0)),
        [(9, "amount")],
        ["buy 0 NVDA: invalid_amount: amount must be a whole number"],
        id="amount zero",
    ),
    pytest.param(
        both(action(8, amount=-10), stating(8, NVDA=0, CASH=5005.0)),
        [(9, "amount")],
        ["not -10"],
        id="negative amount",
    ),
    pytest.param(
        both(action(8, amount=2.5), stating(8, NVDA=2.5, CASH=4855.0)),
        [(9, "amount"), (9, "shares")],
        ["not 2.5", "states 2.5 NVDA; shares are whole and never negative"],
        id="fractional amount",
    ),
    pytest.param(
        action(8, price=61.0),
        [(9, "price")],
        ["line 9 (2025-10-07): states the price 61; the open is 60"],
        id="a price that is not the open",
    ),
    pytest.param(
        both(stating(0, CASH=15000.0), more_cash_from(1, 5000.0)),
        [(1, "opening")],
        ["line 1 (2025-10-01): opens with cash 15000; the arena's agent_config.initial_cash is 10000"],
        id="another initial cash",
    ),
    pytest.param(
        both(
            stating(0, NVDA=3),
            stating(1, NVDA=3),
            stating(2, NVDA=3),
            stating(3, NVDA=103),
            dropping(4, 5, 6, 7, 8),
        ),
        [(1, "opening")],
        ["opens with 3 NVDA; an opening balance holds cash alone"],
        id="opening shares",
    ),
    pytest.param(
        dropping(0), [(1, "opening")], ["the book begins with an action; its first row"], id="no opening balance"
    ),
    pytest.param(
        at(0, date=OCT_02),
        [(1, "opening")],
        ["the opening balance is of 2025-10-02, not before the first session 2025-10-02"],
        id="an opening balance of the first session",
    ),
    pytest.param(
        dropping(4),
        [(5, "gap")],
        ["line 5 (2025-10-06): 1 session is missing after 2025-10-02: 2025-10-03"],
        id="a session is missing",
    ),
    pytest.param(
        both(dropping(1, 2, 3, 4, 5, 6, 7), stating(1, AAPL=0, MSFT=0, CASH=9400.0)),
        [(2, "gap")],
        ["3 sessions are missing after 2025-10-01: 2025-10-02 to 2025-10-06"],
        id="the first sessions are missing",
    ),
    pytest.param(without(8, "positions"), [(9, "malformed")], ["positions must be an object"], id="no positions"),
    pytest.param(without(8, "positions", "CASH"), [(9, "malformed")], ["positions has no CASH"], id="no cash"),
    pytest.param(without(8, "this_action"), [(9, "malformed")], ["this_action is missing"], id="no action"),
    pytest.param(without(8, "id"), [(9, "malformed")], ["id must be a number, not nothing"], id="no id"),
    pytest.param(without(8, "date"), [(9, "malformed")], ["date must be text such as 2025-10-02"], id="no date"),
    pytest.param(
        action(8, amount="10"), [(9, "malformed")], ["amount must be a number, not '10'"], id="amount as text"
    ),
    pytest.param(
        action(8, amount=True), [(9, "malformed")], ["amount must be a number, not True"], id="amount true"
    ),
    pytest.param(action(8, action="hold"), [(9, "malformed")], ["buy, sell, no_trade, not 'hold'"], id="hold"),
    pytest.param(without(8, "this_action", "symbol"), [(9, "malformed")], ["symbol must be"], id="no symbol"),
    pytest.param(
        stating(8, AAPL="5"), [(9, "malformed")], ["positions.AAPL must be a number"], id="shares as text"
    ),
    pytest.param(at(8, id=8.5), [(9, "malformed")], ["id must be a whole number"], id="half an id"),
    pytest.param(stating(8, CASH=1e300), [(9, "malformed")], ["CASH is too large"], id="too much cash"),
    pytest.param(stating(8, CASH=float("nan")), [(9, "malformed")], ["NaN is no number"], id="no number"),
]


@pytest.mark.parametrize(("change", "expected", "messages"), BREACHES)
def test_a_breach_is_told_once_with_its_line_and_numbers(
    reading: Reading, change: Change, expected: list[tuple[int, str]], messages: list[str]
) -> None:
    rows = golden_book()
    change(rows)
    book = reading(rows)
    assert kinds(book) == expected
    told = "\n".join(str(breach) for breach in book.breaches)
    for message in messages:
        assert message in told
    with pytest.raises(BookError, match=r"breach(es)? of the ledger's rules"):
        accept(book, accept_breaches=False)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"date": "2025-10-07", "id": 8,', "no JSON"),
        ("not a book", "no JSON"),
        ("[1, 2]", "the line is no JSON object"),
        ('{"id": 8, "id": 8}', "'id' stands twice in one object"),
        ('{"id": 1e99999999999999999999}', "a number is too large"),
        ("[" * 100_000, "nested too deeply"),
        ("1" * 5000, "no JSON"),
    ],
    ids=["cut", "text", "list", "repeated key", "huge", "deep", "long"],
)
def test_a_line_that_is_no_row_is_one_breach_and_the_other_rows_stand(
    reading: Reading, line: str, message: str
) -> None:
    lines = [json.dumps(row) for row in golden_book()[:-1]]
    book = reading("\n".join([*lines, line]))
    assert kinds(book) == [(9, "malformed")]
    assert message in str(book.breaches[0])
    assert str(book.breaches[0]).startswith("line 9: ")
    assert len(book.records) == 3


def test_bytes_that_are_no_text_are_one_breach(tmp_path: Path, arena: Arena) -> None:
    path = write_book(tmp_path, golden_book()[:-1])
    path.write_bytes(path.read_bytes() + b"\xff\xfe\n")
    book = read_book(M, path, arena, "import-1")
    assert kinds(book) == [(9, "malformed")]
    assert "no UTF-8 text" in book.breaches[0].message


def test_a_symbol_without_a_price_that_day_cannot_be_traded(tmp_path: Path) -> None:
    quotes = {**GOLDEN, "NVDA": {date: quote for date, quote in GOLDEN["NVDA"].items() if date != OCT_07}}
    arena = new_arena(tmp_path, [baseline("cash")], quotes)
    book = read_book(M, write_book(tmp_path, golden_book()), arena, "import-1")
    assert kinds(book) == [(9, "no_price")]
    assert "NVDA has no price today" in book.breaches[0].message


def test_a_symbol_outside_of_the_universe_is_unknown_though_it_has_prices(tmp_path: Path) -> None:
    arena = new_arena(tmp_path, [baseline("cash")], stock_symbols=["AAPL", "MSFT"])
    book = read_book(M, write_book(tmp_path, golden_book()), arena, "import-1")
    # What the ledger never bought it cannot sell on line 8 either.
    assert kinds(book) == [(4, "unknown_symbol"), (8, "unknown_symbol"), (9, "unknown_symbol")]


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "the book has no rows"), (json.dumps(GOLDEN_BOOK[0]) + "\n", "the book ends without a session")],
    ids=["no rows", "the opening alone"],
)
def test_a_book_without_a_session_is_refused_even_with_the_flag(
    reading: Reading, arena: Arena, text: str, message: str
) -> None:
    book = reading(text)
    assert [breach.kind for breach in book.breaches] == ["empty"]
    assert message in str(book.breaches[0])
    assert book.records == ()
    with pytest.raises(BookError, match="no session that can be recorded"):
        accept(book, accept_breaches=True)
    with pytest.raises(BookError, match="no session that can be recorded"):
        store_book(book, arena.records)


def test_every_breach_of_a_book_is_told_not_just_the_first(reading: Reading) -> None:
    rows = golden_book()
    both(more_cash_from(3, 1.0), shares_from(5, AAPL=6), action(7, price=1), at(8, date="2025-10-11"))(rows)
    assert kinds(reading(rows)) == [(4, "cash"), (6, "shares"), (8, "price"), (9, "date")]


def test_the_refusal_names_file_count_and_way_out_and_lists_fifty(reading: Reading) -> None:
    rows = golden_book()
    rows += [row(9 + n, OCT_07, "no_trade", 4405.0 + 1 + n, AAPL=5, MSFT=23, NVDA=10) for n in range(60)]
    book = reading(rows)
    with pytest.raises(BookError) as refusal:
        accept(book, accept_breaches=False)
    text = str(refusal.value)
    assert text.startswith(f"{book.file}: 60 breaches")
    assert "line 59 (2025-10-07)" in text
    assert "line 60 (2025-10-07)" not in text
    assert "... and 10 more" in text
    assert "--accept-breaches" in text


def test_a_day_of_the_book_for_which_nothing_has_a_price_is_a_breach_and_no_gap(tmp_path: Path) -> None:
    quotes = {symbol: {d: q for d, q in row.items() if d != OCT_03} for symbol, row in GOLDEN.items()}
    arena = new_arena(tmp_path, [baseline("cash")], quotes)
    book = read_book(M, write_book(tmp_path, golden_book()), arena, "import-1")
    assert kinds(book) == [(5, "date")]
    assert "no prices for 2025-10-03" in book.breaches[0].message
