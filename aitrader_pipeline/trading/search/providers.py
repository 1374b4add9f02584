"""The search of an arena, as its config says."""

from collections.abc import Iterable, Mapping

from aitrader_pipeline.config_search import SearchConfig
from aitrader_pipeline.trading.search import Search, Unconfigured
from aitrader_pipeline.trading.search.alpha_vantage import AlphaVantageNews
from aitrader_pipeline.trading.search.jina import JinaSearch
from aitrader_pipeline.vendor_http import HttpVendor


def open_search(config: SearchConfig, universe: Iterable[str], environ: Mapping[str, str]) -> Search:
    """The configured search; one that says that there is none where the provider or its key is missing.

    Args:
        config: names the provider.
        universe: the symbols that can be traded.
        environ: holds the key.
    """
    if config.provider is None:
        return Unconfigured("search is not configured in this arena; go on without it")
    key = next((value for name in config.key_variables if (value := environ.get(name, "").strip())), "")
    if not key:
        return Unconfigured(
            f"search is not configured: {config.key_variables[0]} is not set in the environment; go on without it"
        )
    if config.provider == "jina":
        return JinaSearch(HttpVendor("Jina", key, config.timeout_seconds), config.base_url, config.max_results)
    vendor = HttpVendor("Alpha Vantage", key, config.timeout_seconds)
    return AlphaVantageNews(vendor, config.base_url, config.max_results, frozenset(universe))
