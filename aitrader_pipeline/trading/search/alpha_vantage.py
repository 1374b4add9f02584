"""Search by Alpha Vantage: articles of its news archive, by symbol and topic."""

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any

from aitrader_pipeline.trading.search import Item, newest
from aitrader_pipeline.trading.search.gate import DateGate
from aitrader_pipeline.trading.search.vendor import address_of, objects_of, searching, text_of
from aitrader_pipeline.vendor_http import HttpVendor, Reply, VendorCallError

_TOPICS = (
    "blockchain",
    "earnings",
    "ipo",
    "mergers_and_acquisitions",
    "financial_markets",
    "economy_fiscal",
    "economy_monetary",
    "economy_macro",
    "energy_transportation",
    "finance",
    "life_sciences",
    "manufacturing",
    "real_estate",
    "retail_wholesale",
    "technology",
)
_ARTICLES = 50
_ARCHIVE = dt.timedelta(days=365)
_TIME = "%Y%m%dT%H%M"
_TOO_FAST = re.compile(r"sparingly|per second|per minute", re.IGNORECASE)
_REFUSALS = ("Information", "Note", "Error Message")


class AlphaVantageNews:
    """Articles on symbols and topics; the vendor has no search by words."""

    hint = (
        "Name one symbol in capitals, such as AAPL, or one of these topics, or both: "
        f"{', '.join(_TOPICS)}; more than one of them finds articles on all of them at once."
    )

    def __init__(
        self, vendor: HttpVendor, base_url: str | None, max_results: int, symbols: frozenset[str]
    ) -> None:
        """Keep the address.

        Args:
            vendor: asks Alpha Vantage.
            base_url: something that answers in its place, at ``/query``.
            max_results: how many articles are returned.
            symbols: what counts as a symbol in a query.
        """
        self._vendor = vendor
        self._url = f"{(base_url or 'https://www.alphavantage.co').rstrip('/')}/query"
        self._max_results = max_results
        self._symbols = symbols

    async def find(self, query: str, gate: DateGate) -> list[Item]:
        """The newest articles that were published before the decision time.

        Raises:
            SearchError: Alpha Vantage does not answer, or refuses.
        """
        # Nothing newer than what passes: else later articles would take the place of earlier ones.
        until = gate.newest_without_zone
        parameters = {
            "function": "NEWS_SENTIMENT",
            "time_from": (until - _ARCHIVE).strftime(_TIME),
            "time_to": until.strftime(_TIME),
            "sort": "LATEST",
            "limit": str(_ARTICLES),
            **self._subject(query),
            "apikey": self._vendor.key,
        }
        async with searching(self._vendor) as http:
            request = {"method": "GET", "url": self._url, "params": parameters}
            body = await self._vendor.ask(http, request, self._with_feed)
        articles = (_article(entry, gate) for entry in objects_of(body, "feed"))
        return newest((article for article in articles if article is not None), self._max_results)

    def _subject(self, query: str) -> dict[str, str]:
        symbols = [word for word in re.findall(r"[A-Z0-9.^=-]+", query) if word.strip(".-") in self._symbols]
        words = re.sub(r"[\s_&]+", " ", query).lower()
        topics = [topic for topic in _TOPICS if re.search(rf"\b{topic.replace('_', ' ')}\b", words)]
        named = {
            "tickers": ",".join(dict.fromkeys(word.strip(".-") for word in symbols)),
            "topics": ",".join(topics),
        }
        return {name: value for name, value in named.items() if value}

    def _with_feed(self, reply: Reply) -> Mapping[str, Any]:
        """Refusals come with HTTP 200."""
        body = reply.object()
        if isinstance(body.get("feed"), list):
            return body
        refusal = next((text for name in _REFUSALS if (text := text_of(body, name))), "no feed in the answer")
        if not refusal.startswith("No articles found"):
            raise VendorCallError(
                f"{self._vendor.name} refuses: {refusal[:300]}",
                passes=_TOO_FAST.search(refusal) is not None,
                wait=reply.wait,
            )
        return body


def _article(entry: Mapping[str, Any], gate: DateGate) -> Item | None:
    url = address_of(entry)
    if url is None:
        gate.drop("no_address")
        return None
    published = gate.admit(entry.get("time_published"))
    if published is None:
        return None
    source = text_of(entry, "source")
    title = text_of(entry, "title")
    return Item(url, f"{title} ({source})" if source else title, text_of(entry, "summary"), published)
