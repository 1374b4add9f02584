"""Traders of one's own: found by import path or by the name of an entry point, and called with their params."""

import importlib
import re
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from aitrader_pipeline.errors import ConfigError

ENTRY_POINTS = "aitrader.traders"

_IMPORT_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def is_plugin(named: str) -> bool:
    """Whether a name is an import path, or that of an entry point that is installed."""
    return bool(_IMPORT_PATH.fullmatch(named)) or bool(entry_points(group=ENTRY_POINTS, name=named))


def open_plugin(named: str, params: Mapping[str, Any], where: str) -> Any:  # noqa: ANN401 - a Trader, duck-typed
    """Make a trader (:class:`aitrader_pipeline.trading.traders.Trader`).

    Args:
        named: ``package.module:factory``, or the name of an entry point in the group ``aitrader.traders``.
        params: given to the factory as keyword arguments.
        where: the field that names it, for messages.

    Raises:
        ConfigError: it cannot be found or made, or is no trader.
    """
    factory = _factory(named, where)
    try:
        trader = factory(**params)
    except Exception as error:
        raise ConfigError(f"{where}: {named} cannot be made: {type(error).__name__}: {error}") from error
    missing = [name for name in ("converse", "close") if not callable(getattr(trader, name, None))]
    if missing:
        raise ConfigError(f"{where}: what {named} makes is no trader: it has no method {', '.join(missing)}")
    return trader


def _factory(named: str, where: str) -> Callable[..., Any]:
    found = entry_points(group=ENTRY_POINTS, name=named)
    try:
        if found:
            factory: Callable[..., Any] = next(iter(found)).load()
            return factory
        module, _, attribute = named.partition(":")
        # As for `python -m`: a module that lies in the current folder needs no installation.
        if str(Path.cwd()) not in sys.path:
            sys.path.append(str(Path.cwd()))
        factory = getattr(importlib.import_module(module), attribute)
    except Exception as error:
        raise ConfigError(f"{where}: {named} cannot be imported: {type(error).__name__}: {error}") from error
    return factory
