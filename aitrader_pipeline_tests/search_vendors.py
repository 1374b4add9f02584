"""Jina's search and reader and Alpha Vantage's news on one real socket, answering as their documentation shows."""

import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aitrader_pipeline_tests.vendor_server import Answer as Refusal
from aitrader_pipeline_tests.vendor_server import Asked, vendor_server

# A plus and a slash look different in an address.
KEY = "s3arch+K3Y/0123456789"
SEARCH, READER, NEWS = "/s/", "/r/", "/query"


@dataclass(frozen=True)
class Page:
    """A page of the web: its date as the engine shows it, and as the page itself states it."""

    url: str
    date: Any = "Oct 1, 2025"
    published: Any = "2025-10-01T08:00:00+00:00"
    title: str = "A title"
    content: str = "A text."
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Article:
    """An article of Alpha Vantage's archive."""

    url: str
    time_published: Any = "20251001T080000"
    title: str = "A headline"
    summary: str = "A summary."
    source: str = "Benzinga"


@dataclass
class Vendors:
    """What the vendors have, what they refuse next by path, and what they were asked."""

    url: str = ""
    pages: list[Page] = field(default_factory=list)
    articles: list[Article] = field(default_factory=list)
    keeps_to_range: bool = True
    refusals: dict[str, deque[Refusal]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    hangs: bool = False

    def refuse(self, path: str, *refusals: Refusal) -> None:
        self.refusals.setdefault(path, deque()).extend(refusals)

    def asked_at(self, path: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.path == path]

    def answer(self, asked: Asked) -> Refusal | None:
        if self.hangs:
            self.released.wait(60)
            return None
        queue = self.refusals.get(asked.path)
        if queue:
            return queue.popleft()
        if asked.path == NEWS:
            return Refusal(body=self._news(asked.body))
        if asked.headers.get("authorization") != f"Bearer {KEY}":
            return Refusal(401, jina_error(401, "AuthenticationFailedError: Invalid API key"))
        return self._search() if asked.path == SEARCH else self._read(asked.body["url"])

    def _search(self) -> Refusal:
        data = [
            {"title": page.title, "url": page.url, "description": "A snippet."}
            | ({} if page.date is None else {"date": page.date})
            for page in self.pages
        ]
        return Refusal(body={"code": 200, "status": 20000, "data": data, "meta": {"usage": {"tokens": 10000}}})

    def _read(self, url: str) -> Refusal:
        page = next(page for page in self.pages if page.url == url)
        data = {
            "title": page.title,
            "description": "",
            "url": page.url,
            "content": page.content,
            "metadata": page.metadata,
            "usage": {"tokens": 100},
        }
        if page.published is not None:
            data["publishedTime"] = page.published
        return Refusal(body={"code": 200, "status": 20000, "data": data, "meta": {"usage": {"tokens": 100}}})

    def _news(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        if parameters.get("apikey") != KEY:
            return {"Error Message": "the parameter apikey is invalid or missing."}
        inside = [
            article
            for article in self.articles
            if not self.keeps_to_range
            or parameters["time_from"] <= article.time_published <= parameters["time_to"]
        ]
        inside.sort(key=lambda article: str(article.time_published), reverse=True)
        feed = [
            {
                "title": article.title,
                "url": article.url,
                "time_published": article.time_published,
                "authors": ["Jane Smith"],
                "summary": article.summary,
                "source": article.source,
                "topics": [{"topic": "Earnings", "relevance_score": "0.95"}],
                "overall_sentiment_score": 0.1,
                "overall_sentiment_label": "Neutral",
                "ticker_sentiment": [],
            }
            for article in inside[: int(parameters["limit"])]
        ]
        return {"items": str(len(feed)), "sentiment_score_definition": "x <= -0.35: Bearish", "feed": feed}


def jina_error(code: int, message: str) -> dict[str, Any]:
    name, _, words = message.partition(": ")
    return {
        "data": None,
        "code": code,
        "name": name,
        "status": code * 100,
        "message": words,
        "readableMessage": message,
    }


@contextmanager
def search_vendors() -> Iterator[Vendors]:
    """The vendors in a thread that has ended when this returns."""
    vendors = Vendors()
    with vendor_server(vendors.answer, vendors.asked) as vendors.url:
        try:
            yield vendors
        finally:
            vendors.released.set()
