"""Marts of portfolios whose ledgers are traded as told or at random, through splits, renamings and delistings."""

import datetime as dt
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import duckdb

from aitrader_pipeline.market.actions import CorporateAction
from aitrader_pipeline.market.calendar import TradingCalendar
from aitrader_pipeline.performance.books import write_books
from aitrader_pipeline.performance.series import Benchmarks, rebuild_metrics, rebuild_timeseries
from aitrader_pipeline.store.staging import insert_rows
from aitrader_pipeline.trading.ledger import CostModel, Ledger, Portfolio
from aitrader_pipeline.trading.record import (
    Action,
    AppliedAction,
    Book,
    RecordRef,
    SessionRecord,
    Versions,
)
from aitrader_pipeline_tests.markets import Quotes, day

CALENDAR = "XNAS"
CASH = Decimal(50_000)
SYMBOLS = ("AAA", "BBB", "CCC", "DDD", "EEE", "NEW")
COSTS = CostModel(per_order=Decimal("0.35"), bps=Decimal(2))
SPLITS = tuple(map(Decimal, ("2", "3", "1.5", "0.1", "0.333333333333")))
FREE = CostModel()
# Open and close, by symbol and date; a close of None is not known yet.
Bars = Mapping[tuple[str, dt.date], tuple[Decimal, Decimal | None]]


@dataclass(frozen=True)
class LedgerArena:
    """What was traded, and on what."""

    records: Sequence[SessionRecord]
    bars: Bars
    actions: Sequence[CorporateAction]


def scripted_arena(
    quotes: Quotes,
    days: Mapping[str, Sequence[str]],
    actions: Sequence[CorporateAction] = (),
    *,
    cash: Decimal = CASH,
    model: str = "model-a",
) -> LedgerArena:
    """One portfolio that does on each day what it is told, such as "buy AAPL 20", after that day's actions."""
    bars: dict[tuple[str, dt.date], tuple[Decimal, Decimal | None]] = {}
    for symbol, row in quotes.items():
        for date, quote in row.items():
            opened, closed = (quote, None) if isinstance(quote, str) else quote
            bars[symbol, day(date)] = (Decimal(opened), None if closed is None else Decimal(closed))
    book, records = Portfolio(cash), list[SessionRecord]()
    for date, orders in days.items():
        ledger = _opened(book, day(date), bars, actions, FREE)
        for order in orders:
            side, symbol, amount = order.split()
            (ledger.buy if side == "buy" else ledger.sell)(symbol, int(amount))
        if ledger.refusals:
            raise AssertionError(ledger.refusals[0].message)
        records.append(_record(model, day(date), book, ledger, records[-1] if records else None, cash))
        book = ledger.portfolio
    return LedgerArena(records, bars, actions)


def random_arena(seed: int, portfolios: int, sessions: int = 45) -> LedgerArena:
    """So many portfolios on one market; the same seed gives the same ones."""
    rng = random.Random(seed)
    first = dt.date(2025, 1, 2) + dt.timedelta(days=rng.randrange(200))
    dates = TradingCalendar(CALENDAR, first, first + dt.timedelta(days=2 * sessions)).sessions(
        first, first + dt.timedelta(days=2 * sessions)
    )[:sessions]
    bars = _bars(rng, dates)
    actions = _actions(rng, dates)
    records = [
        record for number in range(portfolios) for record in _traded(rng, f"model-{number}", dates, bars, actions)
    ]
    return LedgerArena(records, bars, actions)


def fill_mart(con: duckdb.DuckDBPyConnection, arena: LedgerArena) -> None:
    """Write prices, actions, books, series and metrics, as the pipeline does."""
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    insert_rows(
        con,
        "prices",
        ("symbol", "date", "open", "close", "source", "fetched_at"),
        [
            (symbol, date, str(opened), None if closed is None else str(closed), "test", now)
            for (symbol, date), (opened, closed) in arena.bars.items()
        ],
    )
    if arena.actions:
        insert_rows(
            con,
            "corporate_actions",
            ("symbol", "ex_date", "kind", "value", "new_symbol", "source", "fetched_at"),
            [
                (a.symbol, a.ex_date, a.kind, a.value and str(a.value), a.new_symbol, "test", now)
                for a in arena.actions
            ],
        )
    write_books(con, arena.records)
    rebuild_timeseries(con, Benchmarks(CASH, None, lambda _: SYMBOLS))
    rebuild_metrics(con, risk_free_rate=0.0)


def _bars(rng: random.Random, dates: Sequence[dt.date]) -> dict[tuple[str, dt.date], tuple[Decimal, Decimal]]:
    bars = {}
    for symbol in SYMBOLS:
        price = rng.uniform(5, 300)
        for number, date in enumerate(dates):
            opened = max(price * rng.gauss(1, 0.02), 0.5)
            price = max(opened * rng.gauss(1, 0.02), 0.5)
            if number == 0 or symbol == "NEW" or rng.random() > 0.05:
                bars[symbol, date] = (Decimal(f"{opened:.4f}"), Decimal(f"{price:.4f}"))
    return bars


def _actions(rng: random.Random, dates: Sequence[dt.date]) -> list[CorporateAction]:
    """A few of each kind. The renamed symbol goes on as another company's, the new one may be held before."""
    old, gone = rng.sample(SYMBOLS[:5], 2)
    actions = [
        CorporateAction(rng.choice(SYMBOLS[:5]), date, "split", rng.choice(SPLITS))
        for date in rng.sample(dates[1:], 5)
    ]
    actions += [
        CorporateAction(rng.choice(SYMBOLS[:5]), date, "dividend", Decimal(f"{rng.uniform(0.01, 3):.3f}"))
        for date in rng.sample(dates[1:], 5)
    ]
    actions.append(CorporateAction(old, rng.choice(dates[10:]), "symbol_change", None, "NEW"))
    actions.append(
        CorporateAction(gone, rng.choice(dates[10:]), "delisting", Decimal(f"{rng.uniform(0, 90):.2f}"))
    )
    return sorted(actions, key=lambda a: (a.ex_date, a.kind, a.symbol))


def _traded(
    rng: random.Random, model: str, dates: Sequence[dt.date], bars: Bars, actions: Sequence[CorporateAction]
) -> list[SessionRecord]:
    book = Portfolio(CASH)
    records: list[SessionRecord] = []
    for date in dates:
        ledger = _opened(book, date, bars, actions, COSTS)
        for _ in range(rng.choice((0, 1, 3, 6))):
            symbol, held = rng.choice(SYMBOLS), ledger.portfolio.shares
            if symbol in held and rng.random() < 0.6:
                ledger.sell(symbol, rng.choice((held[symbol], rng.randint(1, held[symbol]))))
            else:
                ledger.buy(symbol, rng.randint(1, 60))
        records.append(_record(model, date, book, ledger, records[-1] if records else None, CASH))
        book = ledger.portfolio
    return records


def _opened(
    book: Portfolio, date: dt.date, bars: Bars, actions: Sequence[CorporateAction], costs: CostModel
) -> Ledger:
    """The ledger of a session after the actions of its day; what has no bar is priced at 20 a share."""
    opens = {symbol: bar[0] for (symbol, on), bar in bars.items() if on == date}
    ledger = Ledger(book, universe=frozenset(opens), price_of=opens.get, costs=costs)
    for action in actions:
        if action.ex_date == date and action.symbol in ledger.portfolio.shares:
            paid = action.value if action.kind == "delisting" else opens.get(action.symbol, Decimal(20))
            ledger.apply(action, paid)
    return ledger


def _record(
    model: str,
    date: dt.date,
    start: Portfolio,
    ledger: Ledger,
    before: SessionRecord | None,
    initial_cash: Decimal,
) -> SessionRecord:
    finished = dt.datetime.combine(date, dt.time(22), dt.UTC)
    events = AppliedAction.numbered(ledger.events)
    return SessionRecord(
        schema_version=1,
        date=date,
        model=model,
        kind="model",
        trader="random",
        launch="launch-1",
        session_number=before.session_number + 1 if before else 1,
        opened_from=RecordRef(date=before.date, launch="launch-1") if before else None,
        versions=Versions(config="", prices=""),
        initial_cash=initial_cash,
        start=Book.of(start),
        end=Book.of(ledger.portfolio),
        actions=(*events, *Action.numbered(ledger.fills, first=len(events) + 1)),
        end_reason="finished",
        started_at=finished,
        finished_at=finished,
    )
