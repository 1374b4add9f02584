"""Search: news that was published before a session's decision time, from one of several vendors."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from aitrader_pipeline.trading.search.gate import DateGate, Published

SearchErrorCode = Literal["search_failed", "search_not_configured"]


class SearchError(Exception):
    """A search could not be made; the trader is told and the session goes on."""

    def __init__(self, message: str, code: SearchErrorCode = "search_failed") -> None:
        super().__init__(message)
        self.code: SearchErrorCode = code


@dataclass(frozen=True)
class Item:
    """A page or an article, as the vendor gives it; ``text`` and ``title`` are anybody's words."""

    url: str
    title: str
    text: str
    published: Published


class Search(Protocol):
    """A vendor of news."""

    @property
    def hint(self) -> str:
        """What a trader has to know to write a query; empty where any words will do."""
        ...

    async def find(self, query: str, gate: DateGate) -> list[Item]:
        """The items that the gate lets through; it counts what it drops.

        Raises:
            SearchError: the vendor does not answer, or refuses.
        """
        ...


class Unconfigured:
    """The search of an arena that has none."""

    hint = ""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    async def find(self, query: str, gate: DateGate) -> list[Item]:
        """Say so.

        Raises:
            SearchError: always.
        """
        del query, gate
        raise SearchError(self._reason, "search_not_configured")


def newest(items: Iterable[Item], most: int) -> list[Item]:
    """The newest items, then by address: the same choice whatever order the vendor sends them in."""
    by_address = sorted(items, key=lambda item: (item.url, item.title, item.text))
    return sorted(by_address, key=lambda item: item.published.latest, reverse=True)[:most]
