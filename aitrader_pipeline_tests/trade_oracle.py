"""Trades and summaries worked out from the records and the bars alone, in plain Python and pandas."""

import datetime as dt
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from itertools import groupby
from typing import Any

import pandas as pd

from aitrader_pipeline.market.actions import CorporateAction
from aitrader_pipeline.trading.record import Action, AppliedAction, SessionRecord

Bars = Mapping[tuple[str, dt.date], tuple[Decimal, Decimal | None]]
Row = dict[str, Any]


@dataclass(frozen=True)
class Lot:
    """Shares of one buy that are still held; the price is per share as splits have made it."""

    date: dt.date
    action_id: int
    price: Fraction
    shares: Fraction


@dataclass
class Lots:
    """A portfolio's lots by symbol, the oldest first, and the trades that closed some."""

    open: dict[str, list[Lot]] = field(default_factory=lambda: defaultdict(list))
    trades: list[Row] = field(default_factory=list)

    def close(
        self, symbol: str, shares: Fraction, price: Decimal, date: dt.date, action: Action | AppliedAction
    ) -> None:
        while shares > 0:
            lot = self.open[symbol].pop(0)
            closed = min(lot.shares, shares)
            self.trades.append(
                {
                    "symbol": symbol,
                    "entry_date": lot.date,
                    "entry_action_id": lot.action_id,
                    "entry_price": lot.price,
                    "shares": closed,
                    "exit_date": date,
                    "exit_action_id": action.action_id,
                    "exit_action": action.type,
                    "exit_price": Fraction(price),
                    "realized_pnl": closed * (Fraction(price) - lot.price),
                }
            )
            if lot.shares > closed:
                self.open[symbol].insert(0, replace(lot, shares=lot.shares - closed))
            shares -= closed

    def split(self, date: dt.date, event: AppliedAction) -> None:
        ratio = event.action.ratio
        held = sum((lot.shares for lot in self.open[event.symbol]), Fraction(0)) * ratio
        self.open[event.symbol] = [
            replace(lot, shares=lot.shares * ratio, price=lot.price / ratio) for lot in self.open[event.symbol]
        ]
        if held > event.amount:
            assert event.price is not None
            self.close(event.symbol, held - event.amount, event.price, date, event)

    def apply(self, date: dt.date, action: Action | AppliedAction) -> None:
        if action.type == "buy":
            lot = Lot(date, action.action_id, Fraction(action.price), Fraction(action.amount))
            self.open[action.symbol].append(lot)
        elif isinstance(action, AppliedAction) and action.type == "split":
            self.split(date, action)
        elif isinstance(action, AppliedAction) and action.new_symbol:
            moved = self.open.pop(action.symbol) + self.open[action.new_symbol]
            self.open[action.new_symbol] = sorted(moved, key=lambda lot: (lot.date, lot.action_id))
        elif action.type in ("sell", "delisting") and action.amount:
            assert action.price is not None
            self.close(action.symbol, Fraction(action.amount), action.price, date, action)


@dataclass(frozen=True)
class Worked:
    """What one portfolio's records come to; every frame has a row per trade, lot, mark or day."""

    trades: pd.DataFrame
    open_lots: pd.DataFrame
    days: pd.DataFrame


def work_out(
    records: Iterable[SessionRecord], bars: Bars, actions: Sequence[CorporateAction] = ()
) -> dict[str, Worked]:
    """Every portfolio's trades, open lots and days, by model."""
    ordered = sorted(records, key=lambda record: (record.model, record.date))
    return {
        model: _portfolio(list(group), _Closes(bars, actions))
        for model, group in groupby(ordered, lambda record: record.model)
    }


class _Closes:
    """Closes, carried over days without a bar, per share as the splits since have made it."""

    def __init__(self, bars: Bars, actions: Sequence[CorporateAction]) -> None:
        self._bars = bars
        self._splits = [action for action in actions if action.kind == "split"]
        self._dates: dict[str, list[dt.date]] = defaultdict(list)
        for symbol, date in sorted(bars):
            self._dates[symbol].append(date)

    def open(self, symbol: str, date: dt.date) -> Decimal:
        if (symbol, date) in self._bars:
            return self._bars[symbol, date][0]
        return self.close(symbol, date)

    def close(self, symbol: str, date: dt.date) -> Decimal:
        last = max(known for known in self._dates[symbol] if known <= date)
        close = self._bars[symbol, last][1]
        assert close is not None
        ratio = math.prod(s.ratio for s in self._splits if s.symbol == symbol and last < s.ex_date <= date)
        return round(Decimal((Fraction(close) / ratio).numerator) / (Fraction(close) / ratio).denominator, 6)


def _portfolio(records: list[SessionRecord], closes: _Closes) -> Worked:
    lots = Lots()
    days = []
    for record in records:
        before = len(lots.trades)
        for action in record.actions:
            lots.apply(record.date, action)
        cash, shares = _opened(record)
        opening = sum((q * closes.open(s, record.date) for s, q in shares.items()), Decimal(0))
        closing = sum((q * closes.close(s, record.date) for s, q in record.end.shares.items()), Decimal(0))
        days.append(
            {
                "date": record.date,
                "opening_cash": cash,
                "opening_value": opening,
                "opening_symbols": len(shares),
                "cash": record.end.cash,
                "closing_value": closing,
                "closing_symbols": len(record.end.shares),
                "opened": sum(fill.type == "buy" for fill in record.fills),
                "closed": len(lots.trades) - before,
                "costs": sum((fill.costs for fill in record.fills), Decimal(0)),
                "dividends": sum(
                    (e.amount * e.price for e in record.events if e.type == "dividend" and e.price), Decimal(0)
                ),
            }
        )
    last = records[-1].date
    held = [
        {
            "symbol": symbol,
            "shares": lot.shares,
            "entry_price": lot.price,
            "entry_date": lot.date,
            "entry_action_id": lot.action_id,
            "mark_price": closes.close(symbol, last),
            "unrealized_pnl": lot.shares * (Fraction(closes.close(symbol, last)) - lot.price),
        }
        for symbol, kept in lots.open.items()
        for lot in kept
    ]
    return Worked(
        pd.DataFrame(lots.trades), pd.DataFrame(held), _days(pd.DataFrame(days), records[0].initial_cash)
    )


def _opened(record: SessionRecord) -> tuple[Decimal, dict[str, int]]:
    """Cash and shares after the day's corporate actions and before its first fill."""
    shares = dict(record.start.shares)
    for event in record.events:
        held = shares.pop(event.symbol)
        if event.new_symbol:
            shares[event.new_symbol] = shares.get(event.new_symbol, 0) + held
        else:
            shares[event.symbol] = {"split": event.amount, "dividend": held}.get(event.type, held - event.amount)
    cash = record.events[-1].cash if record.events else record.start.cash
    return cash, {symbol: quantity for symbol, quantity in shares.items() if quantity}


def _days(days: pd.DataFrame, initial_cash: Decimal) -> pd.DataFrame:
    closing = (days["cash"] + days["closing_value"]).astype(float)
    base = closing.shift(fill_value=float(initial_cash))
    growth = (closing - base) / base
    peak = closing.cummax().clip(lower=float(initial_cash))
    return days.assign(
        opening_equity=(days["opening_cash"] + days["opening_value"]).astype(float),
        closing_equity=closing,
        base=base,
        pnl=closing - base,
        growth=growth,
        drawdown=((peak - closing) / peak * 100).cummax(),
        sharpe=pd.Series([sharpe(growth[: n + 1]) for n in range(len(days))], dtype=float),
    )


def sharpe(growth: "pd.Series[float]") -> float | None:
    """Annualised, of daily returns as fractions, without a risk-free rate."""
    deviation = growth.std(ddof=1)
    if len(growth) < 2 or deviation < 1e-12:
        return None
    return float(growth.mean() / deviation * math.sqrt(252))


def summed_up(curve: pd.DataFrame, trades: pd.DataFrame, frequency: str) -> list[Row]:
    """Weeks ("W-SUN") or months ("M") of a curve with date, base and closing_equity, and of its trades."""
    closed: dict[pd.Period, list[Row]] = defaultdict(list)
    for trade in trades.to_dict("records"):
        closed[pd.Period(trade["exit_date"], frequency)].append({str(name): v for name, v in trade.items()})
    periods = [pd.Period(date, frequency) for date in curve["date"]]
    return [
        _period(period, curve[[p == period for p in periods]], closed[period]) for period in dict.fromkeys(periods)
    ]


def _period(period: pd.Period, days: pd.DataFrame, trades: Sequence[Row]) -> Row:
    equity, base = days["closing_equity"], float(days["base"].iloc[0])
    peak = equity.cummax().clip(lower=base)
    # A price that a split has cut may be off in its sixth decimal.
    pnl = [float(trade["realized_pnl"]) for trade in trades]
    gains, losses = [p for p in pnl if p > 5e-7], [-p for p in pnl if p < -5e-7]
    held = [(trade["exit_date"] - trade["entry_date"]).days for trade in trades]
    return {
        "period_start": period.start_time.date(),
        "period_end": period.end_time.date(),
        "sessions": len(days),
        "starting_equity": base,
        "ending_equity": equity.iloc[-1],
        "total_return_pct": 100 * (equity.iloc[-1] / base - 1),
        "total_trades": len(pnl),
        "winning_trades": len(gains),
        "losing_trades": len(losses),
        "win_rate": 100 * len(gains) / len(pnl) if pnl else None,
        "profit_factor": sum(gains) / sum(losses) if losses else None,
        "no_losses": bool(pnl) and not losses,
        "best_trade": max(pnl, default=None),
        "worst_trade": min(pnl, default=None),
        "average_holding_days": sum(held) / len(held) if held else None,
        "sharpe_ratio": sharpe(equity / days["base"] - 1),
        "max_drawdown_pct": 100 * ((peak - equity) / peak).max(),
    }
