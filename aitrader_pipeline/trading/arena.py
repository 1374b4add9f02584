"""The arena: everything that a model-day needs, put together from the config."""

import asyncio
import datetime as dt
import os
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mcp.server.lowlevel import Server

from aitrader_pipeline.config import ArenaConfig, ModelConfig
from aitrader_pipeline.errors import ConfigError, SessionError
from aitrader_pipeline.market.calendar import TradingCalendar
from aitrader_pipeline.market.ex_dates import ExDates
from aitrader_pipeline.market.view import MarketView, PriceHistory
from aitrader_pipeline.plugins import open_plugin
from aitrader_pipeline.store.records import RecordStore
from aitrader_pipeline.trading.ledger import CostModel
from aitrader_pipeline.trading.playback import Absent
from aitrader_pipeline.trading.pricing import Tariff, tariff_of
from aitrader_pipeline.trading.prompt import PromptTemplate
from aitrader_pipeline.trading.record import SessionRecord
from aitrader_pipeline.trading.recordings import UNRECORDED, Mode, Recordings
from aitrader_pipeline.trading.search.providers import open_search
from aitrader_pipeline.trading.session import Budgets, Contestant, run_session
from aitrader_pipeline.trading.spending import Journal
from aitrader_pipeline.trading.tool_servers import ToolServer
from aitrader_pipeline.trading.tools.search import search_server
from aitrader_pipeline.trading.traders import Trader
from aitrader_pipeline.trading.traders.baselines import BaselineTrader
from aitrader_pipeline.trading.traders.endpoint_gate import EndpointGate
from aitrader_pipeline.trading.traders.openai import OpenAITrader
from aitrader_pipeline.trading.traders.own import OwnTrader

# Models that run side by side are some sessions apart at most; every view holds the whole history before it.
_VIEWS_KEPT = 32


@dataclass(frozen=True)
class Arena:
    """Config, calendar, prices, corporate actions and records; it seats contestants and runs their sessions.

    Attributes:
        recording: what becomes of answers, where that is not for the config to say.
        budget: what the calls are counted under for the budget of a run; None is the launch.
        accept_differences: in a replay, take a session's answers in their order where something else is asked.
    """

    config: ArenaConfig
    calendar: TradingCalendar
    history: PriceHistory
    records: RecordStore
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    actions: ExDates = field(default_factory=ExDates)
    recording: Mode | None = None
    accept_differences: bool = False
    budget: str | None = None
    _views: OrderedDict[tuple[dt.date, tuple[str, ...]], MarketView] = field(default_factory=OrderedDict)
    _gates: dict[str | None, EndpointGate] = field(default_factory=dict)
    _tool_servers: dict[str, ToolServer] = field(default_factory=dict)

    @property
    def journal(self) -> Journal:
        """Where the arena's model calls are written down."""
        return Journal(self.records.root.parent)

    def universe(self, date: dt.date) -> tuple[str, ...]:
        """The symbols that can be bought on a date: the config's, else all that are priced but the benchmark."""
        listed = self.config.agent_config.members(date)
        if listed is not None:
            return listed
        return tuple(s for s in self.history.symbols if s != self.config.market.benchmark)

    def seat(self, signature: str) -> Contestant:
        """Set up a model for its sessions.

        Raises:
            ConfigError: the model is not in the config, is switched off, or cannot start.
        """
        model = self.config.model(signature)
        if model is None or not model.enabled:
            state = "is switched off" if model else "is not listed"
            raise ConfigError(f"{signature} {state} in the config: its records stand, but it runs no new session")
        agent = self.config.agent_config
        return Contestant(
            signature=signature,
            kind=model.kind,
            trader_name=model.basemodel or model.trader,
            trader=self._trader(model),
            initial_cash=agent.initial_cash,
            costs=CostModel(agent.costs.per_order, agent.costs.per_share, agent.costs.bps),
            budgets=Budgets(agent.max_steps, agent.max_tool_calls, agent.time_limit_seconds, agent.max_tokens),
            prompt=PromptTemplate.load(agent.prompt_template),
            config_hash=self.config.settings_hash(signature),
            currency=self.config.market.currency,
            lot_size=self.config.market.lot_size,
            sells_delisted=self.config.market.delisted == "close",
            tariff=self._tariff(model),
            tool_servers=self._own_tool_servers() if model.kind == "model" else (),
            asked_with={"model": model.basemodel or model.trader, "api": model.api, "params": model.params},
        )

    def _tariff(self, model: ModelConfig) -> Tariff | None:
        """What a model's calls cost; None where none are made, or none that the arena knows of."""
        is_own = model.trader != "openai" and model.price is None
        if model.kind == "baseline" or is_own or self.recordings.mode == "replay":
            return None
        return tariff_of(model, self.config.agent_config, self.environ.get("OPENAI_API_BASE"))

    @property
    def recordings(self) -> Recordings:
        """What models and tools have answered."""
        mode = self.recording or self.config.recordings.mode
        return Recordings(self.records.root.parent / "recordings", mode, self.accept_differences)

    def _own_tool_servers(self) -> tuple[ToolServer, ...]:
        """The user's own tool servers, one connection each for all models."""
        for name, server in self.config.tool_servers.items():
            self._tool_servers.setdefault(name, ToolServer(name, server, self.environ))
        return tuple(self._tool_servers.values())

    async def close(self) -> None:
        """Part from the user's own tool servers; the next session connects to them again."""
        await asyncio.gather(*(server.close() for server in self._tool_servers.values()))

    def _trader(self, model: ModelConfig) -> Trader:
        where = f"models[{model.signature}]"
        if model.kind == "baseline":
            return BaselineTrader(model.trader, model.params, f"{where}.params")
        if self.recordings.mode == "replay":
            return Absent()
        if model.trader != "openai":
            return OwnTrader(model.trader, open_plugin(model.trader, model.params, f"{where}.trader"))
        agent = self.config.agent_config
        return OpenAITrader(
            signature=model.signature,
            basemodel=model.basemodel or model.name,
            base_url=model.openai_base_url,
            api=model.api,
            api_key_variable=model.key_variable,
            needs_key=model.needs_key,
            environ=self.environ,
            params=model.params,
            max_retries=agent.max_retries,
            base_delay=agent.base_delay,
            call_timeout_seconds=agent.call_timeout_seconds,
            gate=self._gate(model.openai_base_url),
        )

    def _gate(self, base_url: str | None) -> EndpointGate:
        """The gate of an endpoint, one for all models behind it."""
        if base_url not in self._gates:
            limits = self.config.endpoint(base_url)
            self._gates[base_url] = EndpointGate(
                self.records.root.parent / "endpoints",
                base_url or self.environ.get("OPENAI_API_BASE", ""),
                max_concurrent_calls=limits.max_concurrent_calls,
                calls_per_minute=limits.calls_per_minute,
            )
        return self._gates[base_url]

    async def trade(
        self, contestant: Contestant, date: dt.date, *, launch: str, previous: SessionRecord | None
    ) -> SessionRecord:
        """Run one model-day and store its record.

        Args:
            contestant: who trades.
            date: the session.
            launch: the launch that runs it.
            previous: the record that it opens from, None where it starts with the initial cash.

        Raises:
            SessionError: there are no prices for the session, or the trader could not answer.
        """
        # What was sold in the session before counts in the profit that is told of it.
        held = (*previous.end.shares, *previous.start.shares) if previous else ()
        view = self.view(date, tuple(dict.fromkeys(held)))
        is_recorded = contestant.kind != "baseline"
        tape = self.recordings.tape(contestant.signature, date) if is_recorded else UNRECORDED
        tape.begin()
        record = await run_session(
            contestant,
            view,
            universe=frozenset(self.universe(date)),
            previous=previous,
            past_sessions=self._past_sessions(date),
            launch=launch,
            budget=self.budget or launch,
            journal=self.journal,
            further_tools=[self.search_server(date)],
            tape=tape,
        )
        tape.commit()
        self.records.write(record)
        return record

    def search_server(self, date: dt.date) -> Server[Any]:
        """The tool that finds news from before the open of a session."""
        settings = self.config.search
        search = open_search(settings, self.universe(date), self.environ)
        return search_server(search, self.calendar.open_at(date), settings.max_characters)

    def opening_record(self, signature: str, date: dt.date) -> SessionRecord | None:
        """The record that a session opens from; None where the model starts with the initial cash.

        Raises:
            SessionError: the date is no session of the arena, or the session before is missing and the config
                does not carry over a gap.
        """
        begins = self.config.date_range.init_date
        if not self.calendar.is_session(date):
            raise SessionError(f"{date} is no session of {self.config.market.calendar}")
        if date < begins:
            raise SessionError(f"{date} is before the arena's first day {begins}, its date_range.init_date")
        expected = self.calendar.previous_session(date)
        if expected < begins:
            return None
        if self.config.agent_config.missing_session == "carry":
            newest = self.records.before(signature, date)
            return newest if newest and newest.date >= begins else None
        record = self.records.read(signature, expected)
        if record is None:
            raise SessionError(
                f"{signature} has no session on {expected}, which {date} opens from: run {expected} first, "
                'or set agent_config.missing_session to "carry"'
            )
        return record

    def view(self, date: dt.date, held: tuple[str, ...] = ()) -> MarketView:
        """The market as it can be known at the open of a session; shared by all models of that day.

        Raises:
            SessionError: the date is no session, or nothing has a price on it.
        """
        if not self.calendar.is_session(date):
            raise SessionError(f"{date} is no session of {self.config.market.calendar}")
        held += self.actions.successors(held, date)
        members = self.universe(date)
        universe = members + tuple(s for s in held if s not in members)
        key = (date, universe)
        if key not in self._views:
            view = replace(
                self.history.cut(date, universe, self.calendar.previous_session(date)),
                actions=self.actions.known(date, universe),
            )
            if not any(view.open(symbol) is not None for symbol in universe):
                raise SessionError(
                    f"no prices for {date} yet; the newest session with prices is {self.history.last_session}"
                )
            self._views[key] = view
            if len(self._views) > _VIEWS_KEPT:
                self._views.popitem(last=False)
        return self._views[key]

    def _past_sessions(self, date: dt.date) -> tuple[dt.date, ...]:
        sessions = self.history.sessions
        return sessions[: bisect_left(sessions, date)]
