"""Search by Jina: its search engine for addresses and dates, its reader for the pages."""

import asyncio
from collections.abc import Mapping
from typing import Any

from aitrader_pipeline.trading.search import Item, newest
from aitrader_pipeline.trading.search.gate import DateGate
from aitrader_pipeline.trading.search.vendor import address_of, objects_of, searching, text_of
from aitrader_pipeline.vendor_http import HttpVendor, Reply, Send, VendorCallError

# One price unit of the vendor buys so many.
_RESULTS = 10
_NO_RESULTS = 422
_MODIFIED = ("article:modified_time", "og:updated_time")


class JinaSearch:
    """Pages of the web.

    A page is read as it is now, so its own dates have to pass the gate as well as the engine's.
    """

    hint = ""

    def __init__(self, vendor: HttpVendor, base_url: str | None, max_results: int) -> None:
        """Keep the addresses.

        Args:
            vendor: asks Jina.
            base_url: something that answers in place of both services, below ``/s/`` and ``/r/``.
            max_results: how many pages are read and returned.
        """
        self._vendor = vendor
        self._search_url = f"{base_url.rstrip('/')}/s/" if base_url else "https://s.jina.ai/"
        self._reader_url = f"{base_url.rstrip('/')}/r/" if base_url else "https://r.jina.ai/"
        self._max_results = max_results
        self._headers = {"Accept": "application/json", "Authorization": f"Bearer {vendor.key}"}

    async def find(self, query: str, gate: DateGate) -> list[Item]:
        """The newest pages that were published, and last changed, before the decision time.

        Raises:
            SearchError: Jina does not answer, or refuses, or none of the pages can be read.
        """
        async with searching(self._vendor) as http:
            hits = await self._hits(http, query, gate)
            pages: list[Item] = []
            failures: list[VendorCallError] = []
            while hits and len(pages) < self._max_results:
                missing = self._max_results - len(pages)
                batch, hits = hits[:missing], hits[missing:]
                for page in await asyncio.gather(*(self._page(http, hit, gate) for hit in batch)):
                    if isinstance(page, VendorCallError):
                        failures.append(page)
                    elif page is not None:
                        pages.append(page)
            if failures and not pages:
                raise failures[0]
        return newest(pages, self._max_results)

    async def _hits(self, http: Send, query: str, gate: DateGate) -> list[Item]:
        # Without it the engine would spend its few results on pages that the gate drops.
        words = f"{query} before:{gate.decision_time.date().isoformat()}"
        headers = {"X-Respond-With": "no-content"}
        try:
            body = await self._post(http, self._search_url, {"q": words, "num": _RESULTS}, headers)
        except VendorCallError as error:
            if error.status == _NO_RESULTS and "No search results" in str(error):
                return []
            raise
        hits = (_item(entry, entry.get("date"), gate) for entry in objects_of(body, "data"))
        return newest((hit for hit in hits if hit is not None), _RESULTS)

    async def _page(self, http: Send, hit: Item, gate: DateGate) -> Item | VendorCallError | None:
        try:
            body = await self._post(http, self._reader_url, {"url": hit.url}, {"X-Retain-Images": "none"})
        except VendorCallError as error:
            gate.drop("unreadable")
            return error
        page = body["data"] if isinstance(body["data"], dict) else {}
        metadata = page.get("metadata")
        stated = metadata if isinstance(metadata, dict) else {}
        published = gate.admit(page.get("publishedTime"))
        if published is None or not all(gate.admit(stated[name]) for name in _MODIFIED if stated.get(name)):
            return None
        text = text_of(page, "content") or text_of(page, "description")
        return Item(hit.url, text_of(page, "title") or hit.title, text, published)

    async def _post(
        self, http: Send, url: str, body: Mapping[str, Any], headers: Mapping[str, str]
    ) -> Mapping[str, Any]:
        request = {"method": "POST", "url": url, "json": body, "headers": {**self._headers, **headers}}
        return await self._vendor.ask(http, request, self._with_data)

    def _with_data(self, reply: Reply) -> Mapping[str, Any]:
        body = reply.object()
        if "data" not in body:
            raise VendorCallError(f"{self._vendor.name} answered without data", passes=True, wait=reply.wait)
        return body


def _item(entry: Mapping[str, Any], date: object, gate: DateGate) -> Item | None:
    url = address_of(entry)
    if url is None:
        gate.drop("no_address")
        return None
    published = gate.admit(date)
    return Item(url, text_of(entry, "title"), "", published) if published else None
