"""The wall: a view answers from before its cut and today's opens, and holds nothing else."""

import pickle
import random
from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError, replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitrader_pipeline.errors import ArenaError
from aitrader_pipeline.market.bars import Bar, bar_of_line
from aitrader_pipeline.market.view import LookAheadError, MarketView, PriceHistory

FIRST = date(2025, 10, 1)
DAYS = [FIRST + timedelta(days=offset) for offset in range(10)]
SYMBOLS = ("AAPL", "MSFT", "NVDA")
POISON = 1000


def bar_of(symbol: str, day: date, level: int) -> Bar:
    price = Decimal(level)
    return Bar(symbol, day, price, price + 3, price - 1, price + 2, level * 10)


def bars_of(symbols: tuple[str, ...] = SYMBOLS, days: list[date] | None = None) -> list[Bar]:
    return [
        bar_of(symbol, day, 100 * place + day.day)
        for place, symbol in enumerate(symbols, start=1)
        for day in days or DAYS
    ]


def poisoned(bars: list[Bar], cut: date) -> list[Bar]:
    """Every bar from the cut on multiplied by 1000, other than the opens of the cut's own day."""
    return [bar if bar.date < cut else poison(bar, keep_open=bar.date == cut) for bar in bars]


def poison(bar: Bar, *, keep_open: bool) -> Bar:
    def times(price: Decimal | None) -> Decimal | None:
        return None if price is None else price * POISON

    return Bar(
        bar.symbol,
        bar.date,
        bar.open if keep_open else bar.open * POISON,
        times(bar.high),
        times(bar.low),
        times(bar.close),
        None if bar.volume is None else bar.volume * POISON,
    )


def cut(bars: list[Bar], day: date, universe: tuple[str, ...] = SYMBOLS) -> MarketView:
    return PriceHistory(bars).cut(day, universe, day - timedelta(days=1))


def answers(view: MarketView) -> list[object]:
    """Everything that a view says to every question about every symbol and day."""
    said: list[object] = [view.date, view.universe, view.previous_session, view.hash]
    for symbol in (*SYMBOLS, "QQQ"):
        said += [view.open(symbol), view.last_close(symbol), view.bars(symbol, 3), view.bars(symbol, 1000)]
        for day in DAYS:
            for ask in (view.bar, view.close):
                try:
                    said.append(ask(symbol, day))
                except LookAheadError as error:
                    said.append(str(error))
    return said


def reachable(value: object, seen: set[int]) -> Iterator[object]:
    """Walk everything that an object holds, through containers, slots and attributes."""
    if id(value) in seen:
        return
    seen.add(id(value))
    yield value
    inner: list[object] = []
    if isinstance(value, dict):
        inner += [*value.keys(), *value.values()]
    elif isinstance(value, (tuple, list, set, frozenset)):
        inner += value
    elif not isinstance(value, (type, str, bytes, int, Decimal, date)):
        names = {name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())}
        inner += [
            getattr(value, name) for name in names | set(getattr(value, "__dict__", {})) if hasattr(value, name)
        ]
    for part in inner:
        yield from reachable(part, seen)


def test_of_today_the_view_knows_the_open_alone() -> None:
    view = cut(bars_of(), DAYS[4])
    assert view.open("AAPL") == 105
    assert view.bar("AAPL", DAYS[4]) == Bar("AAPL", DAYS[4], Decimal(105))
    assert view.close("AAPL", DAYS[4]) is None


def test_of_earlier_days_the_view_knows_the_full_bars() -> None:
    view = cut(bars_of(), DAYS[4])
    assert view.bar("MSFT", DAYS[3]) == bar_of("MSFT", DAYS[3], 204)
    assert view.close("MSFT", DAYS[3]) == 206
    assert view.last_close("MSFT") == (DAYS[3], Decimal(206))
    assert [bar.date for bar in view.bars("MSFT", 2)] == DAYS[2:4]
    assert [bar.date for bar in view.bars("MSFT", 50)] == DAYS[:4]
    assert view.bars("MSFT", 0) == ()
    assert view.bar("MSFT", FIRST - timedelta(days=1)) is None


@pytest.mark.parametrize("symbol", ["AAPL", "QQQ", "TSLA"])
@pytest.mark.parametrize("ask", [MarketView.bar, MarketView.close])
def test_a_later_date_is_refused_alike_whether_or_not_there_is_a_bar(
    symbol: str, ask: Callable[[MarketView, str, date], object]
) -> None:
    view = cut(bars_of(), DAYS[4])
    texts = set()
    for day in (DAYS[5], DAYS[9], date(2031, 1, 1)):
        with pytest.raises(LookAheadError) as error:
            ask(view, symbol, day)
        texts.add(str(error.value))
    assert texts == {"It is 2025-10-05, at the open: nothing after that can be known."}
    assert issubclass(LookAheadError, ArenaError)


def test_a_symbol_outside_the_universe_has_no_bar() -> None:
    view = cut(bars_of(), DAYS[4], ("AAPL",))
    assert (view.open("MSFT"), view.bar("MSFT", DAYS[3]), view.last_close("MSFT")) == (None, None, None)
    assert view.bars("MSFT", 5) == ()


def test_symbols_match_without_regard_to_case_and_space_and_each_counts_once() -> None:
    view = cut(bars_of(), DAYS[4], ("msft", " AAPL", "MSFT", "aapl"))
    assert view.universe == ("MSFT", "AAPL")
    assert view.open(" aapl ") == 105


def test_a_symbol_without_a_bar_today_cannot_be_traded_and_keeps_its_last_close() -> None:
    bars = [bar for bar in bars_of() if not (bar.symbol == "AAPL" and bar.date in DAYS[3:5])]
    view = cut(bars, DAYS[4])
    assert view.open("AAPL") is None
    assert view.bar("AAPL", DAYS[4]) is None
    assert view.last_close("AAPL") == (DAYS[2], Decimal(105))
    assert view.open("MSFT") == 205


def test_an_earlier_bar_that_holds_the_open_alone_is_passed_over_where_a_close_is_needed() -> None:
    bars = [
        Bar("AAPL", bar.date, bar.open) if (bar.symbol, bar.date) == ("AAPL", DAYS[3]) else bar
        for bar in bars_of()
    ]
    view = cut(bars, DAYS[4])
    assert view.bar("AAPL", DAYS[3]) == Bar("AAPL", DAYS[3], Decimal(104))
    assert view.close("AAPL", DAYS[3]) is None
    assert view.last_close("AAPL") == (DAYS[2], Decimal(105))
    assert [bar.date for bar in view.bars("AAPL", 2)] == DAYS[1:3]


def test_the_first_day_has_opens_and_no_past() -> None:
    view = cut(bars_of(), FIRST)
    assert view.open("AAPL") == 101
    assert view.last_close("AAPL") is None
    assert view.bars("AAPL", 5) == ()


@pytest.mark.parametrize("day", DAYS)
def test_a_poisoned_future_changes_no_answer_and_no_hash(day: date) -> None:
    clean, dirty = bars_of(), poisoned(bars_of(), day)
    assert clean != dirty
    assert answers(cut(dirty, day)) == answers(cut(clean, day))


LEVELS = st.integers(min_value=2, max_value=10**6)
HISTORIES = st.dictionaries(
    st.tuples(st.sampled_from(SYMBOLS), st.sampled_from(DAYS)), st.tuples(LEVELS, st.booleans()), max_size=20
)


@given(history=HISTORIES, day=st.sampled_from(DAYS), order=st.randoms(use_true_random=False))
def test_any_history_s_future_may_be_poisoned_or_missing_without_a_trace(
    history: dict[tuple[str, date], tuple[int, bool]], day: date, order: random.Random
) -> None:
    bars = [
        bar_of(symbol, when, level) if complete else Bar(symbol, when, Decimal(level))
        for (symbol, when), (level, complete) in history.items()
    ]
    known = [Bar(bar.symbol, bar.date, bar.open) if bar.date == day else bar for bar in bars if bar.date <= day]
    dirty = poisoned(bars, day)
    order.shuffle(dirty)
    expected = answers(cut(known, day))
    assert answers(cut(bars, day)) == expected
    assert answers(cut(dirty, day)) == expected


def test_the_view_holds_no_later_value_wherever_one_looks() -> None:
    day = DAYS[4]
    later = [bar for bar in poisoned(bars_of(), day) if bar.date >= day]
    view = cut(poisoned(bars_of(), day), day)
    held = list(reachable(view, set()))
    # A view holds bars as lines of text.
    bars = [bar_of_line(value) for value in held if isinstance(value, str) and value.count(",") == 6]
    held += [item for bar in bars for item in (bar, bar.date, bar.open, bar.high, bar.low, bar.close, bar.volume)]
    assert bar_of("AAPL", DAYS[3], 104) in held  # the walk does reach the bars
    assert [value for value in held if isinstance(value, Bar) and value.date >= day] == []
    assert [value for value in held if isinstance(value, date) and value > day] == []
    numbers = {value for value in held if isinstance(value, (Decimal, int))}
    assert numbers.isdisjoint({number for bar in later for number in (bar.high, bar.low, bar.close, bar.volume)})
    dump = pickle.dumps(view)
    assert b"104" in dump
    assert not any(str(bar.close).encode() in dump for bar in later)


@pytest.mark.parametrize("field", ["open", "high", "low", "close", "volume"])
def test_a_restated_earlier_bar_changes_the_hash_of_every_later_view_and_of_no_earlier_one(field: str) -> None:
    bars = bars_of()
    place = next(at for at, bar in enumerate(bars) if (bar.symbol, bar.date) == ("MSFT", DAYS[4]))
    changed = [*bars]
    changed[place] = replace(bars[place], **{field: getattr(bars[place], field) + 1})
    same = [cut(bars, day).hash == cut(changed, day).hash for day in DAYS]
    assert same == [True] * 4 + [field != "open"] + [False] * 5


def test_the_hash_is_that_of_the_universe_alone() -> None:
    bars = bars_of()
    other = [poison(bar, keep_open=False) if bar.symbol == "NVDA" else bar for bar in bars]
    without = [bar for bar in bars if bar.symbol != "NVDA"]
    universe = ("AAPL", "MSFT")
    assert cut(bars, DAYS[4], universe).hash == cut(other, DAYS[4], universe).hash
    assert cut(bars, DAYS[4], universe).hash == cut(without, DAYS[4], universe).hash
    assert cut(bars, DAYS[4], universe).hash != cut(bars, DAYS[4]).hash
    assert cut(bars, DAYS[4], universe).hash == cut(bars, DAYS[4], ("MSFT", "AAPL")).hash


def test_a_session_on_which_only_others_have_bars_leaves_the_universe_s_hash() -> None:
    bars = [bar for bar in bars_of() if bar.symbol != "AAPL" or bar.date != DAYS[2]]
    alone = [bar for bar in bars if bar.symbol == "AAPL"]
    assert cut(bars, DAYS[6], ("AAPL",)).hash == cut(alone, DAYS[6], ("AAPL",)).hash


def test_every_date_has_a_hash_of_its_own() -> None:
    history = PriceHistory(bars_of())
    days = [*DAYS, DAYS[-1] + timedelta(days=1), DAYS[-1] + timedelta(days=2)]
    assert len({history.cut(day, SYMBOLS, day - timedelta(days=1)).hash for day in days}) == len(days)


@pytest.mark.parametrize("field", ["date", "universe", "hash"])
def test_a_view_cannot_be_changed(field: str) -> None:
    view = cut(bars_of(), DAYS[4])
    with pytest.raises(FrozenInstanceError):
        setattr(view, field, None)


def test_a_history_tells_its_symbols_and_sessions_and_refuses_two_bars_of_one_date() -> None:
    history = PriceHistory(iter(reversed(bars_of())))
    assert (history.symbols, history.sessions, history.last_session) == (SYMBOLS, tuple(DAYS), DAYS[-1])
    with pytest.raises(ValueError, match="two bars of AAPL on 2025-10-01"):
        PriceHistory([*bars_of(), bar_of("AAPL", FIRST, 5)])


def test_the_previous_session_must_be_before_the_date() -> None:
    with pytest.raises(ValueError, match="is not before"):
        PriceHistory(bars_of()).cut(DAYS[4], SYMBOLS, DAYS[4])


# --- what a session saw ---

QUESTIONS: dict[str, Callable[[MarketView], object]] = {
    "today's open": lambda view: view.open("AAPL"),
    "a bar of the past": lambda view: view.bar(" msft ", DAYS[2]),
    "today's bar": lambda view: view.bar("NVDA", DAYS[6]),
    "a close": lambda view: view.close("AAPL", DAYS[4]),
    "the newest close": lambda view: view.last_close("MSFT"),
    "the last three bars": lambda view: view.bars("NVDA", 3),
    "more bars than there are": lambda view: view.bars("AAPL", 1000),
    "no bars": lambda view: view.bars("AAPL", 0),
    "a symbol outside the universe": lambda view: view.last_close("QQQ"),
}


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_exactly_the_bars_that_an_answer_depended_on_change_what_was_seen(
    question: Callable[[MarketView], object],
) -> None:
    bars = bars_of()
    view = cut(bars, DAYS[6]).watched()
    answer = question(view)
    seen, fingerprint = view.seen(), view.fingerprint(view.seen())
    for place, bar in enumerate(bars):
        for other in (poison(bar, keep_open=False), poison(bar, keep_open=True)):
            restated = cut([*bars[:place], other, *bars[place + 1 :]], DAYS[6])
            assert (restated.fingerprint(seen) != fingerprint) == (question(restated) != answer)


def test_a_bar_that_was_missing_and_comes_late_changes_what_was_seen() -> None:
    bars = [bar for bar in bars_of() if (bar.symbol, bar.date) != ("AAPL", DAYS[5])]
    view = cut(bars, DAYS[6]).watched()
    assert view.last_close("AAPL") == (DAYS[4], bar_of("AAPL", DAYS[4], 100 + DAYS[4].day).close)
    late = cut(bars_of(), DAYS[6])
    assert late.fingerprint(view.seen()) != view.fingerprint(view.seen())


def test_two_watchers_of_one_view_do_not_see_each_other_s_questions() -> None:
    view = cut(bars_of(), DAYS[6])
    one, other = view.watched(), view.watched()
    one.open("AAPL")
    view.open("MSFT")
    assert dict(one.seen()) == {(DAYS[6], DAYS[6]): ["AAPL"]}
    assert (other.seen(), view.seen()) == ({}, {})
