"""Vendors: who is asked for daily bars and companies' actions over the network, within which limits.

An answer is kept as it came (`RawAnswers`) and read into bars and actions apart from that, as often as needed.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from aitrader_pipeline.config_market import SourceConfig
from aitrader_pipeline.errors import ConfigError
from aitrader_pipeline.market.vendors import alpha_vantage, massive, tiingo, yahoo
from aitrader_pipeline.market.vendors.contract import (
    Ask,
    Clock,
    RawAnswer,
    Vendor,
    VendorError,
    VendorKeyError,
    VendorLimitError,
    utc_now,
)
from aitrader_pipeline.market.vendors.limits import Allowance, CallLimits
from aitrader_pipeline.market.vendors.line import VendorLine
from aitrader_pipeline.market.vendors.raw_answers import RawAnswers

__all__ = [
    "Ask",
    "RawAnswer",
    "RawAnswers",
    "Vendor",
    "VendorError",
    "VendorKeyError",
    "VendorLimitError",
    "answers_by",
    "open_vendor",
]


@dataclass(frozen=True)
class _Known:
    base_url: str
    free: Allowance
    answers_by: Literal["symbol", "session"]


_VENDORS = {
    "alpha_vantage": _Known(alpha_vantage.BASE_URL, alpha_vantage.FREE, alpha_vantage.AlphaVantage.answers_by),
    "tiingo": _Known(tiingo.BASE_URL, tiingo.FREE, tiingo.Tiingo.answers_by),
    "massive": _Known(massive.BASE_URL, massive.FREE, massive.Massive.answers_by),
    "yfinance": _Known(yahoo.BASE_URL, yahoo.FREE, yahoo.Yahoo.answers_by),
}


def answers_by(source: str) -> Literal["symbol", "session"]:
    """What one call of a vendor brings: the bars of a symbol, or the whole market's of a session."""
    return _VENDORS[source].answers_by


def open_vendor(
    config: SourceConfig,
    environ: Mapping[str, str],
    calendar_name: str,
    answers: RawAnswers,
    *,
    symbols: Collection[str] | None = None,
    to_ask: bool = True,
    clock: Clock = utc_now,
    first_wait_seconds: float = 1.0,
) -> Vendor:
    """The configured vendor; nothing is asked yet.

    Args:
        config: names the vendor, its address and its limits.
        environ: holds the key.
        calendar_name: the exchange of the bars.
        answers: what was answered so far; the count of the calls is kept beside it.
        symbols: whose bars are taken from an answer that holds the whole market's; None takes all of them.
        to_ask: whether it is to be asked; answers that are there are read without a key.
        clock: tells the time.
        first_wait_seconds: the wait before a call that failed is made again; it doubles.

    Raises:
        ConfigError: no such vendor.
        VendorKeyError: the environment holds no key.
        VendorError: the vendor needs a library that is not installed.
    """
    known = _VENDORS.get(config.source)
    if known is None:
        raise ConfigError(f"prices vendor {config.source!r} is unknown; known are {', '.join(_VENDORS)}")
    allowance = _allowance(config, known.free)
    limits = CallLimits(answers.folder(config.source), config.source, allowance, clock)
    base_url = config.base_url or known.base_url
    key = _key(config, environ) if to_ask else ""
    line = VendorLine(config.source, key, base_url, limits, answers, clock, first_wait_seconds)
    match config.source:
        case "alpha_vantage":
            paid = (allowance.per_day or 0) > (known.free.per_day or 0)
            return alpha_vantage.AlphaVantage(line, calendar_name, paid=paid)
        case "tiingo":
            return tiingo.Tiingo(line, calendar_name)
        case "massive":
            return massive.Massive(line, calendar_name, symbols)
        case _:
            plain = config.base_url is not None or not to_ask
            return yahoo.Yahoo(line, calendar_name, None if plain else yahoo.browser_like())


def _allowance(config: SourceConfig, free: Allowance) -> Allowance:
    """What the config says; a key whose limits are stated has no limit of the hour."""
    stated = config.calls_per_minute is not None or config.calls_per_day is not None
    return Allowance(
        per_minute=config.calls_per_minute or free.per_minute,
        per_hour=None if stated else free.per_hour,
        per_day=config.calls_per_day or free.per_day,
    )


def _key(config: SourceConfig, environ: Mapping[str, str]) -> str:
    names = config.key_variables
    key = next((value for name in names if (value := environ.get(name, "").strip())), "")
    if names and not key:
        raise VendorKeyError(
            f"{config.source} needs a key: set {names[0]} in the environment, "
            "or name the variable that holds it in api_key, beside its source"
        )
    return key
