"""What decisions were worth and how alike they are, worked out from bars, actions and orders in plain Python."""

import datetime as dt
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations
from typing import Any

from aitrader_pipeline.market.actions import CorporateAction
from aitrader_pipeline_tests.trade_oracle import Worked

Bars = Mapping[tuple[str, dt.date], tuple[Decimal, Decimal | None]]
Item = tuple[dt.date, str]
HORIZONS = (1, 5, 20)
_SIGN = {"buy": 1, "sell": -1, "none": 0}


@dataclass(frozen=True)
class Order:
    """An order of a session."""

    date: dt.date
    model: str
    number: int
    symbol: str
    side: str
    executed: bool
    confidence: float | None


@dataclass(frozen=True)
class Market:
    """Bars and corporate actions, and the sessions from the first order on."""

    bars: Bars
    actions: Sequence[CorporateAction]
    sessions: Sequence[dt.date]

    @classmethod
    def since(cls, first: dt.date, bars: Bars, actions: Sequence[CorporateAction]) -> "Market":
        return cls(bars, actions, sorted({date for _, date in bars if date >= first}))

    def forward_return(self, symbol: str, date: dt.date, horizon: int) -> float | None:
        """In percent, from the open of a date to the close of the horizon-th session, that of the date counted."""
        at = self.sessions.index(date) + horizon - 1
        bar = self.bars.get((symbol, date))
        if bar is None or bar[1] is None or at >= len(self.sessions):
            return None
        tickers = self._tickers(symbol, date)
        end = self._close(tickers, self.sessions[at])
        if end is None:
            return None
        shares = 1.0
        for ex_date, ratio, dividend in self._events(tickers, date, self.sessions[at]):
            close = next(c for d in self.sessions if d >= ex_date and (c := self._close(tickers, d)) is not None)
            shares *= ratio + dividend / close
        return 100 * (shares * end / float(bar[0]) - 1)

    def newest_ticker(self, symbol: str, date: dt.date, through: dt.date) -> str:
        return [ticker for begins, _, ticker in self._tickers(symbol, date) if begins <= max(through, date)][-1]

    def _tickers(self, symbol: str, date: dt.date) -> list[tuple[dt.date, dt.date, str]]:
        found, begins, ticker = [], date, symbol
        while True:
            change = min(
                (
                    a
                    for a in self.actions
                    if a.kind == "symbol_change" and a.symbol == ticker and a.ex_date > begins
                ),
                key=lambda a: a.ex_date,
                default=None,
            )
            found.append((begins, change.ex_date if change else dt.date.max, ticker))
            if change is None or change.new_symbol is None:
                return found
            begins, ticker = change.ex_date, change.new_symbol

    def _close(self, tickers: list[tuple[dt.date, dt.date, str]], date: dt.date) -> float | None:
        (ticker,) = (name for begins, ends, name in tickers if begins <= date < ends)
        bar = self.bars.get((ticker, date))
        return None if bar is None or bar[1] is None else float(bar[1])

    def _events(
        self, tickers: list[tuple[dt.date, dt.date, str]], date: dt.date, end: dt.date
    ) -> list[tuple[dt.date, float, float]]:
        by_date: dict[dt.date, tuple[float, float]] = {}
        for begins, ends, ticker in tickers:
            for action in self.actions:
                if (
                    action.symbol == ticker
                    and begins < action.ex_date <= min(ends, end)
                    and action.value is not None
                ):
                    ratio, dividend = by_date.get(action.ex_date, (1.0, 0.0))
                    if action.kind == "split":
                        ratio *= float(action.value)
                    if action.kind == "dividend":
                        dividend += float(action.value)
                    by_date[action.ex_date] = (ratio, dividend)
        return [(ex_date, *factors) for ex_date, factors in sorted(by_date.items()) if date < ex_date <= end]


def outcomes(orders: Iterable[Order], market: Market) -> dict[tuple[str, dt.date, str], dict[str, Any]]:
    """The decision of each model, session and symbol: its newest filled order, else its newest."""
    chosen: dict[tuple[str, dt.date, str], Order] = {}
    for order in sorted(orders, key=lambda o: (o.executed, o.number)):
        if (order.symbol, order.date) in market.bars:
            chosen[order.model, order.date, order.symbol] = order
    found = {}
    for (model, date, symbol), order in chosen.items():
        row: dict[str, Any] = {"decision": order.side, "confidence": order.confidence, "executed": order.executed}
        for horizon in HORIZONS:
            forward = market.forward_return(symbol, date, horizon)
            row[f"side_return_{horizon}_pct"] = None if forward is None else _SIGN[order.side] * forward
        found[model, date, symbol] = row
    return found


def agreement(
    orders: Sequence[Order], traded: Mapping[str, set[dt.date]], market: Market
) -> dict[tuple[str, str], dict[str, Any]]:
    """Every pair of models over what could be decided: each symbol ever ordered, on each session with its bar."""
    made = {key: row["decision"] for key, row in outcomes(orders, market).items()}
    ordered = {order.symbol for order in orders}
    sessions = set().union(*traded.values())
    items: list[Item] = [(date, s) for s, date in market.bars if s in ordered and date in sessions]
    forward = {(item, h): market.forward_return(item[1], item[0], h) for item in items for h in HORIZONS}
    return {
        pair: _pair(*pair, [i for i in items if i[0] in traded[pair[0]] & traded[pair[1]]], made, forward)
        for pair in combinations(sorted(traded), 2)
    }


def _pair(
    one: str,
    other: str,
    items: Sequence[Item],
    made: Mapping[tuple[str, dt.date, str], str],
    forward: Mapping[tuple[Item, int], float | None],
) -> dict[str, Any]:
    sides = [(made.get((one, *item), "none"), made.get((other, *item), "none")) for item in items]
    observed = sum(a == b for a, b in sides) / len(sides)
    chance = sum(
        sum(a == choice for a, _ in sides) * sum(b == choice for _, b in sides) / len(sides) ** 2
        for choice in _SIGN
    )
    row: dict[str, Any] = {
        "sessions": len({date for date, _ in items}),
        "decisions": len(items),
        "observed_agreement": observed,
        "kappa": None if chance > 1 - 1e-12 else (observed - chance) / (1 - chance),
        "diverging": sum(a != b for a, b in sides),
    }
    for side in (0, 1):
        for horizon in HORIZONS:
            returns = [
                _SIGN[pair[side]] * known
                for item, pair in zip(items, sides, strict=True)
                if pair[0] != pair[1] and (known := forward[item, horizon]) is not None
            ]
            mean = math.fsum(returns) / len(returns) if returns else None
            row[f"side_return_{side + 1}_{horizon}_pct"] = mean
    return row


def calibration(
    made: Mapping[tuple[str, dt.date, str], Mapping[str, Any]], model: str
) -> dict[str, dict[str, Any]]:
    """Buckets of ten percent, and all; by hand."""
    calls = [
        (row["confidence"], row["side_return_5_pct"] > 0)
        for (who, _, _), row in made.items()
        if who == model and row["confidence"] is not None and row["side_return_5_pct"] is not None
    ]
    buckets: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    for confidence, hit in calls:
        low = min(int(confidence // 10), 9) * 10
        buckets[f"{low}-{low + 10}"].append((confidence, hit))
        buckets["all"].append((confidence, hit))
    return {
        name: {
            "decisions": len(those),
            "mean_confidence": sum(c for c, _ in those) / len(those),
            "hit_rate_pct": 100 * sum(hit for _, hit in those) / len(those),
            "brier_score": sum((c / 100 - hit) ** 2 for c, hit in those) / len(those) if name == "all" else None,
        }
        for name, those in buckets.items()
    }


def profits(
    worked: Worked, fills: Iterable[tuple[dt.date, str, str, int, Decimal, Decimal]], market: Market
) -> Any:
    """Realized, unrealized, dividends, costs and fills by newest ticker.

    Args:
        worked: the portfolio's trades and open lots.
        fills: its buys, sells and dividends: date, kind, symbol, amount, price, costs.
        market: bars and actions.
    """
    last = max(worked.days["date"])
    found: dict[str, list[float]] = defaultdict(lambda: [0.0] * 5)

    def row(symbol: str, date: dt.date) -> list[float]:
        return found[market.newest_ticker(symbol, date, last)]

    for trade in worked.trades.to_dict("records"):
        row(trade["symbol"], trade["exit_date"])[0] += float(trade["realized_pnl"])
    for lot in worked.open_lots.to_dict("records"):
        row(lot["symbol"], last)[1] += float(lot["unrealized_pnl"])
    for date, kind, symbol, amount, price, costs in fills:
        part = row(symbol, date)
        part[2] += float(amount * price) if kind == "dividend" else 0
        part[3] += float(costs)
        part[4] += kind != "dividend"
    return found
