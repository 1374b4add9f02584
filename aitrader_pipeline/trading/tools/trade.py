"""The trade tools: orders to the session's ledger."""

from decimal import Decimal
from typing import Any

from aitrader_pipeline.trading.ledger import Fill, Ledger, Refusal
from aitrader_pipeline.trading.tools import Answer, Tool

_ORDER: dict[str, dict[str, Any]] = {
    "symbol": {"type": "string", "description": "Ticker, such as AAPL"},
    "amount": {"type": "integer", "minimum": 1, "description": "Whole shares"},
}


def trade_tools(ledger: Ledger) -> list[Tool]:
    """``buy`` and ``sell`` on one ledger; a refusal is an error result, never an exception."""

    def buy(symbol: object, amount: object) -> Answer:
        return _answer(ledger, ledger.buy(symbol, amount))

    def sell(symbol: object, amount: object) -> Answer:
        return _answer(ledger, ledger.sell(symbol, amount))

    return [
        Tool("buy", "Buy whole shares of a symbol at today's open. Returns cash and shares.", _ORDER, buy),
        Tool(
            "sell",
            "Sell whole shares that you hold at today's open. Returns cash and shares.",
            _ORDER,
            sell,
        ),
    ]


def _answer(ledger: Ledger, outcome: Fill | Refusal) -> Answer:
    if isinstance(outcome, Refusal):
        return Answer.error(outcome.code, outcome.message, **{k: _number(v) for k, v in outcome.details.items()})
    portfolio = ledger.portfolio
    return Answer(
        {
            "filled": {
                "action": outcome.action,
                "symbol": outcome.symbol,
                "amount": outcome.amount,
                "price": float(outcome.price),
                "costs": float(outcome.costs),
            },
            "cash": float(portfolio.cash),
            "shares": dict(portfolio.shares),
        }
    )


def _number(value: Decimal | int) -> float | int:
    return float(value) if isinstance(value, Decimal) else value
