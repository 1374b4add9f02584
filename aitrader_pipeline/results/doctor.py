"""The doctor: what of an arena is configured, present and missing."""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from aitrader_pipeline.config import McpServerConfig, ModelConfig, Settings, explain, load_settings
from aitrader_pipeline.errors import ArenaError
from aitrader_pipeline.market.sources import open_source
from aitrader_pipeline.market.sources.actions_csv import configured_actions
from aitrader_pipeline.store.mart import reading
from aitrader_pipeline.store.records import RecordStore

_LOW_SPACE_GIB = 1.0


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    state: Literal["ok", "missing", "problem"]
    detail: str

    def row(self) -> dict[str, str]:
        """As a flat row."""
        return {"what": self.what, "state": self.state, "detail": self.detail}


def examine(environ: Mapping[str, str] = os.environ) -> list[Finding]:
    """Look at config, folders, prices, keys, records and the mart of the active arena.

    Args:
        environ: the environment that names the arena and holds the keys; no key is ever shown.

    Returns:
        Findings; ``missing`` is what a first run will make, ``problem`` is what keeps it from running.

    Raises:
        ConfigError: the config itself is wrong.
    """
    settings = load_settings(environ)
    config = settings.config
    findings = [Finding("config", "ok", str(settings.config_path))]
    findings += [Finding(name, "ok", value) for name, value in explain(config)]
    findings.append(_home(settings))
    findings.append(_checked("price source", lambda: _source(settings)))
    findings.append(_checked("corporate actions", lambda: _actions(settings)))
    for model in config.enabled_models:
        if model.kind == "model":
            findings.append(_key(model, environ))
    findings += [_tool_server(name, server, environ) for name, server in config.tool_servers.items()]
    findings.append(_checked("records", lambda: _records(settings)))
    findings.append(_checked("mart", lambda: _mart(settings)))
    return findings


def _checked(what: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except ArenaError as error:
        return Finding(what, "problem", str(error))


def _home(settings: Settings) -> Finding:
    home = settings.home
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    if not os.access(existing, os.W_OK):
        return Finding("home", "problem", f"{home} cannot be written; set AITRADER_HOME to a folder that can")
    free = shutil.disk_usage(existing).free / 2**30
    state: Literal["ok", "problem"] = "ok" if free >= _LOW_SPACE_GIB else "problem"
    return Finding("home", state, f"{home}, {free:.1f} GiB free")


def _key(model: ModelConfig, environ: Mapping[str, str]) -> Finding:
    what, variable = f"key of {model.signature}", model.key_variable
    if environ.get(variable):
        return Finding(what, "ok", f"{variable} is set")
    if not model.needs_key:
        return Finding(what, "ok", "none: the endpoint is on this machine")
    return Finding(what, "problem", f"{variable} is not set; put the key into it or into .env")


def _tool_server(name: str, server: McpServerConfig, environ: Mapping[str, str]) -> Finding:
    what = f"tool server {name}"
    missing = server.missing(environ)
    if missing:
        detail = f"not set: {', '.join(missing)}; put the values into the environment or into .env"
        return Finding(what, "problem", detail)
    if server.command and shutil.which(server.command, path=environ.get("PATH")) is None:
        return Finding(what, "problem", f"there is no program {server.command}; install it or give its path")
    return Finding(what, "ok", str(server))


def _source(settings: Settings) -> Finding:
    market = settings.config.market
    batch = open_source(market.source, market.path).read(market.calendar)
    symbols = {bar.symbol for bar in batch.bars}
    newest = max(bar.date for bar in batch.bars)
    listed = settings.config.agent_config.stock_symbols or ()
    unpriced = sorted({entry if isinstance(entry, str) else entry.symbol for entry in listed} - symbols)
    refused = f", {len(batch.rejected)} bars refused (first: {batch.rejected[0]})" if batch.rejected else ""
    detail = f"{market.source}: {len(batch.bars)} bars of {len(symbols)} symbols to {newest}{refused}"
    if unpriced:
        return Finding("price source", "problem", f"{detail}; without a price: {', '.join(unpriced)}")
    return Finding("price source", "ok", detail)


def _actions(settings: Settings) -> Finding:
    batch = configured_actions(settings.config.market)
    if batch is None:
        return Finding("corporate actions", "ok", f"they come with the bars of {settings.config.market.source}")
    refused = f", {len(batch.rejected)} refused (first: {batch.rejected[0]})" if batch.rejected else ""
    return Finding("corporate actions", "ok", f"{batch.source}: {len(batch.actions)} actions{refused}")


def _records(settings: Settings) -> Finding:
    store = RecordStore(settings.records_dir)
    counts = {model: len(store.dates(model)) for model in store.models()}
    if not counts:
        return Finding("records", "missing", f"none in {settings.records_dir} yet; `aitrader run` makes them")
    return Finding("records", "ok", ", ".join(f"{model} {count}" for model, count in counts.items()))


def _mart(settings: Settings) -> Finding:
    if not settings.mart_path.exists():
        return Finding("mart", "missing", f"{settings.mart_path} is not there yet; `aitrader run` makes it")
    with reading(settings.mart_path) as con:
        bars, newest = con.execute("SELECT count(*), max(date) FROM prices").fetchall()[0]
        scored, last = con.execute("SELECT count(*), max(date) FROM daily_pnl").fetchall()[0]
    return Finding("mart", "ok", f"{bars} bars to {newest}, {scored} model-days to {last}")
