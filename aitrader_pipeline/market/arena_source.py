"""The arena's own source, as the config has it: files that are read whole, or a vendor's answers as they come."""

import os
from collections.abc import Sequence

from dagster_duckdb import DuckDBResource

from aitrader_pipeline.config import Settings
from aitrader_pipeline.config_market import SourceConfig
from aitrader_pipeline.market.actions import ActionBatch
from aitrader_pipeline.market.answers import Kind, ReadAnswer, files_read, read_new_actions, read_new_bars
from aitrader_pipeline.market.bars import PriceBatch
from aitrader_pipeline.market.sources import open_source
from aitrader_pipeline.market.sources.actions_csv import configured_actions
from aitrader_pipeline.market.vendors import RawAnswers, Vendor, open_vendor
from aitrader_pipeline.market.wanted import listed_symbols
from aitrader_pipeline.store.mart import writing


def raw_answers(settings: Settings) -> RawAnswers:
    """Where the vendors' answers lie."""
    return RawAnswers(settings.home / "raw_prices")


def arena_vendor(settings: Settings, *, to_ask: bool, source: SourceConfig | None = None) -> Vendor:
    """The vendor that the config names.

    Args:
        settings: The active arena.
        source: Where the config names it; None is the section `market` itself.
        to_ask: Whether it is to be asked, which takes a key; its answers are read without one.

    Raises:
        ConfigError: The config names no vendor.
        VendorKeyError: The environment holds no key.
        VendorError: The vendor needs a library that is not installed.
    """
    market, symbols = settings.config.market, listed_symbols(settings.config)
    return open_vendor(
        source or market, os.environ, market.calendar, raw_answers(settings), symbols=symbols, to_ask=to_ask
    )


def read_bars(settings: Settings, mart: DuckDBResource) -> tuple[PriceBatch, Sequence[ReadAnswer]]:
    """Read the bars of the arena's files, or of the vendor's answers that the mart does not have yet.

    Returns:
        The bars; and the answers that they are from, for `note_read` when they are loaded.
    """
    market = settings.config.market
    if not market.is_vendor:
        return open_source(market.source, market.path).read(market.calendar), ()
    known = _files_read(mart, market.source, "bars")
    return read_new_bars(arena_vendor(settings, to_ask=False), raw_answers(settings), known, market.calendar)


def read_compared(settings: Settings, source: SourceConfig) -> PriceBatch:
    """Read all bars of the second source: of its files, or of all that it has answered."""
    calendar = settings.config.market.calendar
    if not source.is_vendor:
        return open_source(source.source, source.path).read(calendar)
    vendor = arena_vendor(settings, to_ask=False, source=source)
    return read_new_bars(vendor, raw_answers(settings), frozenset(), calendar)[0]


def read_actions(settings: Settings, mart: DuckDBResource) -> tuple[ActionBatch, Sequence[ReadAnswer], bool]:
    """Read the corporate actions of the config's file or the sample; else those of the vendor's new answers.

    Returns:
        The actions; the answers that they are from; and whether these are all that there are.
    """
    market = settings.config.market
    stated = configured_actions(market)
    if stated is not None:
        return stated, (), True
    known = _files_read(mart, market.source, "actions")
    vendor = arena_vendor(settings, to_ask=False)
    return *read_new_actions(vendor, raw_answers(settings), known, market.calendar), False


def _files_read(mart: DuckDBResource, source: str, kind: Kind) -> frozenset[str]:
    with writing(mart) as con:
        return files_read(con, source, kind)
