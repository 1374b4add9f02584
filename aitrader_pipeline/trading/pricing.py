"""What model calls cost: prices of the config, or the public ones of genai-prices on the day of the call."""

import datetime as dt
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aitrader_pipeline.config import AgentConfig, ModelConfig, PriceConfig
from aitrader_pipeline.config_sections import COST_BUDGETS
from aitrader_pipeline.errors import ConfigError
from aitrader_pipeline.trading.traders import Usage

if TYPE_CHECKING:
    from genai_prices.types import ModelPrice, TieredPrices

_MILLION = 1_000_000
# Bytes of a request that are neither parameters nor messages nor tools: the model's name and the braces.
_REQUEST_FRAME = 256
_OPENAI = "https://api.openai.com/v1"
_LOCAL_SUFFIXES = (".local", ".localhost", ".internal", ".lan")
_OUTPUT_LIMITS = {"chat": ("max_completion_tokens", "max_tokens"), "responses": ("max_output_tokens",)}
# What a token may cost at most: a provider may write the prompt into its cache, and reads it for less.
_INPUT_PRICES = ("input_mtok", "cache_write_mtok", "cache_write_5m_mtok", "cache_write_1h_mtok")
_OUTPUT_PRICES = ("output_mtok", "output_reasoning_mtok")
# Parameters of a request that have a price of their own.
_PRICED_PARAMS = ("service_tier", "speed")


@dataclass(frozen=True)
class Rates:
    """What one call can cost at most: USD for a token read, a token written, and the call itself."""

    input: Decimal
    output: Decimal
    call: Decimal

    def cost(self, input_tokens: int, output_tokens: int) -> Decimal:
        """The most that a call of this size can cost."""
        return self.call + self.input * input_tokens + self.output * output_tokens


class TokenPrices:
    """A model's prices, which may change from one day to the next."""

    def __init__(self, at: Callable[[dt.datetime], "ModelPrice"]) -> None:
        """Prices as a function of the time of the call."""
        self._at = at

    @classmethod
    def stated(cls, price: PriceConfig) -> "TokenPrices":
        """Those of a config, which hold at any time."""
        from genai_prices.types import ModelPrice

        fixed = ModelPrice(input_mtok=price.input, output_mtok=price.output, cache_read_mtok=price.cached)
        return cls(lambda _: fixed)

    @classmethod
    def public(cls, basemodel: str, endpoint: str, params: Mapping[str, Any]) -> "TokenPrices | None":
        """Those of genai-prices; None where it does not know the model, or the endpoint is of one's own.

        Args:
            basemodel: the model's name at the endpoint.
            endpoint: its address. One that is nobody's known one is taken for a gateway to the model's maker.
            params: of the requests; some tiers of service have prices of their own.
        """
        if _is_own(urlsplit(endpoint).hostname or ""):
            return None
        # It takes a second to load, which a run without such a model need not wait for.
        from genai_prices.data_snapshot import get_snapshot

        snapshot = get_snapshot()
        try:
            provider = snapshot.find_provider(None, None, endpoint)
        except LookupError:
            provider = None
        try:
            _, model = snapshot.find_provider_model(basemodel, provider, None, None)
        except LookupError:
            return None
        context = {name: tier for name in _PRICED_PARAMS if isinstance(tier := params.get(name), str)}
        now = model.get_prices(dt.datetime.now(dt.UTC), context)
        if now.input_mtok is None or now.output_mtok is None:
            return None
        return cls(lambda at: model.get_prices(at, context))

    def cost(self, usage: Usage, at: dt.datetime) -> float | None:
        """USD for what a call has used; None where the provider did not say how much that was.

        Args:
            usage: tokens of the call.
            at: when the call was made.
        """
        from genai_prices import Usage as Tokens

        read, written = usage.input_tokens, usage.output_tokens
        if read is None or written is None:
            return None
        tokens = Tokens(
            input_tokens=read,
            cache_read_tokens=min(usage.cached_tokens or 0, read),
            output_tokens=written,
            output_reasoning_tokens=min(usage.reasoning_tokens or 0, written),
        )
        return float(self._at(at).calc_price(tokens)["total_price"])

    def rates(self, input_tokens: int, at: dt.datetime) -> Rates:
        """The highest prices that apply to a call which reads no more than this."""
        prices = self._at(at)
        read, written = (
            max(_highest(getattr(prices, name), input_tokens) for name in names) / _MILLION
            for names in (_INPUT_PRICES, _OUTPUT_PRICES)
        )
        return Rates(read, written, _highest(prices.requests_kcount, input_tokens) / 1000)


@dataclass(frozen=True)
class Tariff:
    """What a model's calls cost, and what they may cost.

    Attributes:
        prices: of its tokens; None where they are not known.
        limits: USD by the name of the budget in ``agent_config``; those without a limit are left out.
        output_limit: tokens that one call may write, as its parameters state; None where they do not.
        answers: how many answers each call asks for.
        further_input: tokens that a call reads beside messages and tools, at most.
        longest_session_seconds: a call that was begun longer ago is under way no more.
    """

    prices: TokenPrices | None
    limits: Mapping[str, Decimal]
    output_limit: int | None
    answers: int
    further_input: int
    longest_session_seconds: float


def tariff_of(model: ModelConfig, agent: AgentConfig, default_endpoint: str | None) -> Tariff:
    """What a config says that a model's calls cost.

    Args:
        model: the model's entry.
        agent: how every session runs.
        default_endpoint: where a model is that names no endpoint; None for OpenAI's own.

    Raises:
        ConfigError: a budget in USD is set, and nobody knows what the model costs.
    """
    endpoint = model.openai_base_url or default_endpoint or _OPENAI
    basemodel = model.basemodel or model.name
    prices = (
        TokenPrices.stated(model.price)
        if model.price is not None
        else TokenPrices.public(basemodel, endpoint, model.params)
    )
    limits = {name: limit for name in COST_BUDGETS if (limit := getattr(agent, name)) is not None}
    if limits and prices is None:
        raise ConfigError(
            f"{model.signature}: agent_config.{next(iter(limits))} cannot be kept: no price of {basemodel!r} at "
            f"{endpoint} is known; state it as models[].price, such as "
            '{"input": 0.25, "output": 1.0} in USD per million tokens (0 where a call costs nothing)'
        )
    stated = [model.params.get(name) for name in _OUTPUT_LIMITS[model.api]]
    answers = model.params.get("n")
    return Tariff(
        prices=prices,
        limits=limits,
        output_limit=max((limit for limit in stated if isinstance(limit, int)), default=None),
        answers=answers if isinstance(answers, int) else 1,
        further_input=len(json.dumps(model.params)) + _REQUEST_FRAME,
        longest_session_seconds=agent.time_limit_seconds,
    )


def _highest(price: "Decimal | TieredPrices | None", input_tokens: int) -> Decimal:
    """The price per unit, or the dearest of the tiers that a call of this size can reach."""
    if price is None or isinstance(price, Decimal):
        return price or Decimal(0)
    return max([price.base, *(tier.price for tier in price.tiers if tier.start < input_tokens)])


def _is_own(host: str) -> bool:
    """Whether a host is the user's own machine or network: whatever runs there has no public price."""
    try:
        return not ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith(_LOCAL_SUFFIXES)
