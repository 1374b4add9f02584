"""The section `market`: where the prices come from, and what is done with the companies' actions."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from aitrader_pipeline.config_problems import not_known
from aitrader_pipeline.config_sections import Endpoint, Section, StatedPath, Symbol, Text, VariableName

FILE_SOURCES = ("sample", "merged_jsonl", "files")
VENDORS = ("alpha_vantage", "tiingo", "massive", "yfinance")
SOURCES = (*FILE_SOURCES, *VENDORS)

# The first spelling of the first vendor's is the one of existing set-ups.
_USUAL_KEYS = {
    "alpha_vantage": ("ALPHAADVANTAGE_API_KEY", "ALPHAVANTAGE_API_KEY"),
    "tiingo": ("TIINGO_API_KEY",),
    "massive": ("MASSIVE_API_KEY", "POLYGON_API_KEY"),
}


class FilesConfig(Section):
    """Files that bars are read from.

    Attributes:
        source: One of ``FILE_SOURCES``.
        path: The file or folder; ``sample`` needs none.
    """

    _known: ClassVar[tuple[str, ...]] = FILE_SOURCES

    source: str = "sample"
    path: StatedPath | None = Field(default=None, validate_default=True)

    @field_validator("source")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value not in cls._known:
            raise ValueError(not_known("source", value, cls._known))
        return value

    @field_validator("path")
    @classmethod
    def _given_for_files(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        source = info.data.get("source", "sample")
        if value is None and source in FILE_SOURCES and source != "sample":
            raise ValueError(f"is missing; the source {source!r} needs a file or folder")
        return value


class SourceConfig(FilesConfig):
    """Where bars come from: files, or a vendor.

    Attributes:
        source: One of ``SOURCES``.
        path: The file or folder of a source of files; ``sample`` needs none.
        api_key: The NAME of the environment variable that holds a vendor's key; None is the vendor's usual one.
        base_url: Something that answers in the vendor's place, such as a proxy.
        calls_per_minute: Calls to a vendor begun in a minute; None is what its free key allows.
        calls_per_day: Calls to a vendor in a day; None is what its free key allows.
    """

    _known: ClassVar[tuple[str, ...]] = SOURCES

    api_key: VariableName = None
    base_url: Endpoint = None
    calls_per_minute: float | None = Field(default=None, gt=0)
    calls_per_day: int | None = Field(default=None, ge=1)

    @property
    def is_vendor(self) -> bool:
        """Whether bars are fetched over the network."""
        return self.source in VENDORS

    @property
    def key_variables(self) -> tuple[str, ...]:
        """The environment variables that may hold the key; the first that is set wins."""
        return (self.api_key,) if self.api_key else _USUAL_KEYS.get(self.source, ())


class MarketConfig(SourceConfig):
    """The market: its prices, the companies' actions, the calendar.

    Attributes:
        adjusted: Whether the source's prices are adjusted for splits: then no split changes what is held.
        corporate_actions: A CSV file with splits, dividends, symbol changes and delistings; None takes what the
            source itself brings.
        delisted: What becomes of shares whose symbol is no longer traded: kept at the last close, or sold at it.
        hourly_path: A file or folder of hourly bars, for the snapshots within a day.
        history_sessions: Sessions before the arena's first that a vendor is asked for too: traders look back.
        compare_with: A second source, of files or another vendor, whose bars are compared with the first one's.
        max_disagreement_pct: Percent; a larger difference between the two is warned of.
        calendar: The exchange's code in the library ``exchange_calendars``.
        currency: What prices and cash are in.
        lot_size: Shares in the smallest order; an order is a multiple of it.
        benchmark: A symbol that is priced for comparison and is not traded unless the universe lists it.
        max_overnight_move_pct: Percent; a larger move without a corporate action is warned of.
        stale_after_sessions: A symbol without a bar on so many of the newest sessions is warned of.
    """

    adjusted: bool = False
    corporate_actions: StatedPath | None = None
    delisted: Literal["carry", "close"] = "carry"
    hourly_path: StatedPath | None = None
    history_sessions: int = Field(default=60, ge=0)
    compare_with: SourceConfig | None = None
    max_disagreement_pct: float = Field(default=0.5, gt=0)
    calendar: Text = "XNAS"
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"
    lot_size: int = Field(default=1, ge=1)
    benchmark: Symbol | None = None
    max_overnight_move_pct: float = Field(default=40.0, gt=0)
    stale_after_sessions: int = Field(default=5, ge=1)

    @property
    def vendors(self) -> tuple[str, ...]:
        """The vendors that are asked: for the prices, and for those that they are compared with."""
        return tuple(one.source for one in (self, self.compare_with) if one is not None and one.is_vendor)

    @field_validator("compare_with")
    @classmethod
    def _is_another(cls, value: SourceConfig | None, info: ValidationInfo) -> SourceConfig | None:
        if value is not None and value.is_vendor and value.source == info.data.get("source"):
            raise ValueError(f"names {value.source} again; a second source is files, or another vendor")
        return value

    @field_validator("corporate_actions", "hourly_path")
    @classmethod
    def _exists(cls, value: Path | None) -> Path | None:
        if value is not None and not value.exists():
            raise ValueError(f"no such file: {value}; give its path or leave it out")
        return value
