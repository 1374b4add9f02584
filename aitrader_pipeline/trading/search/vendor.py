"""What the vendors of news have in common: the time that a search may take, and the fields of their objects."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aitrader_pipeline.trading.search import SearchError
from aitrader_pipeline.vendor_http import HttpVendor, Send, VendorCallError


@asynccontextmanager
async def searching(vendor: HttpVendor) -> AsyncIterator[Send]:
    """A connection for the requests of one search, which may take together as long as one of them.

    Raises:
        SearchError: the vendor does not answer, or refuses, or all of it took too long.
    """
    try:
        async with asyncio.timeout(vendor.timeout_seconds), vendor.connected() as http:
            yield http
    except TimeoutError:
        raise SearchError(f"{vendor.name} did not answer within {vendor.timeout_seconds:g} s") from None
    except VendorCallError as error:
        raise SearchError(str(error)) from None


def text_of(entry: Mapping[str, Any], name: str) -> str:
    """A text field of a vendor's object; empty where it is missing or something else."""
    value = entry.get(name)
    return value if isinstance(value, str) else ""


def address_of(entry: Mapping[str, Any]) -> str | None:
    """The address of a result, if it has one on the web."""
    url = text_of(entry, "url").strip()
    return url if re.match(r"https?://[^\s]+\Z", url, re.IGNORECASE) else None


def objects_of(body: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The objects of a list in a body; whatever else is in it is left out."""
    entries = body.get(name)
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
