"""`get_information` as a session calls it, over vendors on a real socket."""

import asyncio
import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aitrader_pipeline.trading.search import Search
from aitrader_pipeline.trading.search.alpha_vantage import AlphaVantageNews
from aitrader_pipeline.trading.search.jina import JinaSearch
from aitrader_pipeline.trading.toolbox import Toolbox
from aitrader_pipeline.trading.tools.search import search_server
from aitrader_pipeline.vendor_http import HttpVendor
from aitrader_pipeline_tests.search_vendors import KEY, Article, Page, Vendors

# The open of Monday 2025-10-06 in New York.
OPEN = dt.datetime(2025, 10, 6, 13, 30, tzinfo=dt.UTC)
UNIVERSE = ("AAPL", "MSFT", "ON")


@dataclass(frozen=True)
class Told:
    """What the trader was told, and what only the record holds."""

    text: str
    is_error: bool
    notes: Mapping[str, Any]

    @property
    def value(self) -> Any:
        return json.loads(self.text)

    @property
    def pages(self) -> list[str]:
        return [result["page"] for result in self.value["results"]]

    @property
    def urls(self) -> list[str]:
        return [page.splitlines()[2] for page in self.pages]

    @property
    def dropped(self) -> Mapping[str, int]:
        return dict(self.notes.get("dropped", {}))


def tell(search: Search, query: object = "Apple", *, max_characters: int = 2000) -> Told:
    """Call the tool as a session does."""

    async def session() -> Told:
        async with Toolbox.open([search_server(search, OPEN, max_characters)]) as toolbox:
            result = await toolbox.call("get_information", {"query": query})
            return Told(result.text, result.is_error, result.notes)

    return asyncio.run(session())


def jina(vendors: Vendors, key: str = KEY, timeout: float = 30.0, most: int = 3) -> JinaSearch:
    return JinaSearch(HttpVendor("Jina", key, timeout, first_wait_seconds=0.001), vendors.url, most)


def alpha(vendors: Vendors, key: str = KEY, timeout: float = 30.0, most: int = 3) -> AlphaVantageNews:
    vendor = HttpVendor("Alpha Vantage", key, timeout, first_wait_seconds=0.001)
    return AlphaVantageNews(vendor, vendors.url, most, frozenset(UNIVERSE))


def page(number: int, day: int = 1, **fields: Any) -> Page:
    """A page that was published on a day of October, under an address with its number."""
    stated = {"date": f"Oct {day}, 2025", "published": f"2025-10-{day:02}T08:00:00Z"}
    return Page(f"https://news.example/{number}", **{**stated, **fields})


def article(number: int, time_published: Any = "20251001T080000", **fields: Any) -> Article:
    return Article(f"https://news.example/{number}", time_published, **fields)
