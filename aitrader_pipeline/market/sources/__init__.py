"""Where bars come from: each source reads what it is given, whole, and refuses bad bars one by one."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from aitrader_pipeline.errors import ConfigError
from aitrader_pipeline.market.bars import PriceBatch
from aitrader_pipeline.market.sources.tabular import TabularSource
from aitrader_pipeline.market.sources.vendor_json import VendorJsonSource

SAMPLE_PRICES = Path(__file__).resolve().parents[3] / "data" / "sample" / "prices.csv"


class PriceSource(Protocol):
    """Something that daily bars are read from."""

    name: str

    def read(self, calendar_name: str) -> PriceBatch:
        """Read every bar there is.

        Args:
            calendar_name: The exchange whose sessions the bars must fall on, for example `XNAS`.

        Returns:
            The good bars, and what was refused with its place and reason.

        Raises:
            PriceError: Nothing could be read at all; the message names the path and the way out.
            ConfigError: No such calendar.
        """
        ...


_SOURCES: dict[str, Callable[[str, Path], PriceSource]] = {
    "sample": TabularSource,
    "merged_jsonl": VendorJsonSource,
    "files": TabularSource,
}


def open_source(source: str, path: Path | None) -> PriceSource:
    """Return the source of that name.

    Args:
        source: `sample`, `merged_jsonl` or `files`.
        path: The file or folder to read; the sample alone can do without.

    Returns:
        A source that has read nothing yet.

    Raises:
        ConfigError: No such source, or it needs a path.
    """
    kind = _SOURCES.get(source)
    if kind is None:
        raise ConfigError(f"prices source {source!r} is unknown; known are {', '.join(sorted(_SOURCES))}")
    if path is None:
        if source != "sample":
            raise ConfigError(f"prices source {source} needs a path: the file or folder to read")
        path = SAMPLE_PRICES
    return kind(source, path)
