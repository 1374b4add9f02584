"""Tiingo: daily bars as traded, with each day's dividend and split, in one call per symbol.

See https://api.tiingo.com/documentation/end-of-day.
"""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from typing import Literal

from aitrader_pipeline.market.actions import ActionIntake
from aitrader_pipeline.market.bars import RawBar, as_text
from aitrader_pipeline.market.intake import BarIntake
from aitrader_pipeline.market.vendors.contract import (
    Ask,
    RawAnswer,
    VendorError,
    VendorKeyError,
    VendorLimitError,
)
from aitrader_pipeline.market.vendors.limits import Allowance
from aitrader_pipeline.market.vendors.line import VendorLine
from aitrader_pipeline.market.vendors.reading import AnswerReader, whole_shares
from aitrader_pipeline.vendor_http import Reply

BASE_URL = "https://api.tiingo.com"
FREE = Allowance(per_minute=60, per_hour=50, per_day=1000)

_SPENT = re.compile(r"run over your (?P<period>hourly|daily)?", re.IGNORECASE)
_PERIODS: Mapping[str, Literal["hour", "day"]] = {"hourly": "hour", "daily": "day"}
_DAY = len("2025-10-30")


class Tiingo:
    """Asks Tiingo."""

    name = "tiingo"
    answers_by: Literal["symbol", "session"] = "symbol"

    def __init__(self, line: VendorLine, calendar_name: str) -> None:
        """Keep what a call needs: the line to the vendor, and the exchange of the bars."""
        self._line = line
        self._calendar = calendar_name

    def asks(self, gaps: Mapping[str, Sequence[dt.date]]) -> list[Ask]:
        """One call per symbol; see `Vendor.asks`."""
        return asks_by_symbol(gaps)

    async def fetch(self, ask: Ask) -> RawAnswer:
        """One call; see `Vendor.fetch`."""

        def read(reply: Reply) -> str:
            return self._read(ask, reply)

        # The vendor writes classes of shares with a hyphen: BRK-B.
        path = f"/tiingo/daily/{ask.key.replace('.', '-')}/prices"
        params = {"startDate": ask.first.isoformat(), "endDate": ask.last.isoformat(), "format": "json"}
        headers = {"Authorization": f"Token {self._line.key}"}
        return self._line.answer(ask, await self._line.get(ask, path, read, params=params, headers=headers))

    def parse(self, answer: RawAnswer, intake: BarIntake, actions: ActionIntake) -> None:
        """Take an answer in; see `Vendor.parse`."""
        reader = AnswerReader(answer, self._calendar, intake, actions)
        rows = reader.json()
        symbol = answer.key
        for row in rows if isinstance(rows, list) else ():
            if not isinstance(row, dict):
                reader.refuse("the bar is no JSON object", symbol=symbol)
                continue
            date = as_text(row.get("date"))[:_DAY]
            prices = {field: row.get(field) for field in ("open", "high", "low", "close")}
            reader.bar(RawBar(**prices, volume=whole_shares(row.get("volume"))), symbol=symbol, date=date)
            if _plain(row.get("splitFactor")) not in ("", "1"):
                reader.action("split", row["splitFactor"], symbol=symbol, ex_date=date)
            if _plain(row.get("divCash")) not in ("", "0"):
                reader.action("dividend", row["divCash"], symbol=symbol, ex_date=date)
        reader.end(symbol)

    def _read(self, ask: Ask, reply: Reply) -> str:
        # Some limits are told in plain words with HTTP 200.
        refusal = reply.said() or (reply.text[:300] if reply.parsed is None else "")
        spent = _SPENT.search(refusal)
        if spent:
            period = _PERIODS.get((spent["period"] or "").lower())
            if period is None:
                raise VendorLimitError(f"{reply.vendor}: {refusal} (what came is kept)")
            raise self._line.limits.refused(period, refusal)
        if reply.status in (401, 403) and "token" in refusal.lower():
            raise VendorKeyError(f"{reply.vendor} does not take the key: {refusal}")
        if not isinstance(reply.value(), list):
            raise VendorError(f"{ask.key}: {reply.vendor} refuses: {refusal or 'the answer is no list of bars'}")
        return reply.text


def asks_by_symbol(gaps: Mapping[str, Sequence[dt.date]]) -> list[Ask]:
    """One call per symbol with a gap, from the first missing session to the last; the largest gaps first."""
    by_size = sorted(gaps.items(), key=lambda gap: (-len(gap[1]), gap[0]))
    return [Ask(symbol, min(missing), max(missing)) for symbol, missing in by_size if missing]


def _plain(value: object) -> str:
    """A number as text, without decimals that say nothing: 1.0 is 1."""
    text = as_text(value)
    return text.rstrip("0").rstrip(".") or "0" if "." in text else text
