"""Prices: those of the config, else the public ones of the day for the provider behind the endpoint, else none."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aitrader_pipeline.config import AgentConfig, ModelConfig, PriceConfig
from aitrader_pipeline.errors import ConfigError
from aitrader_pipeline.trading.pricing import TokenPrices, tariff_of
from aitrader_pipeline.trading.traders import Usage

OPENAI = "https://api.openai.com/v1"
GOOGLE = "https://generativelanguage.googleapis.com/v1beta/openai"
OPENROUTER = "https://openrouter.ai/api/v1"
NOW = dt.datetime(2026, 1, 2, 15, tzinfo=dt.UTC)
MILLION = Usage(input_tokens=1_000_000, output_tokens=1_000_000)


def public(basemodel: str, endpoint: str, **params: Any) -> TokenPrices:
    prices = TokenPrices.public(basemodel, endpoint, params)
    if prices is None:
        raise AssertionError(f"no price of {basemodel} at {endpoint}")
    return prices


def stated(**price: str) -> TokenPrices:
    return TokenPrices.stated(PriceConfig(**{name: Decimal(value) for name, value in price.items()}))


def entry(basemodel: str = "gpt-5", **settings: Any) -> ModelConfig:
    return ModelConfig.model_validate(
        {"name": "m", "signature": "m", "basemodel": basemodel, "openai_base_url": OPENAI, **settings}
    )


def test_the_price_is_that_of_the_day_on_which_the_call_was_made() -> None:
    # OpenAI cut the prices of o3 on 2025-06-10, from 10 and 40 USD per million tokens to 2 and 8.
    prices = public("o3", OPENAI)
    assert prices.cost(MILLION, dt.datetime(2025, 6, 9, 23, 59, tzinfo=dt.UTC)) == pytest.approx(50)
    assert prices.cost(MILLION, dt.datetime(2025, 6, 10, tzinfo=dt.UTC)) == pytest.approx(10)
    assert prices.rates(1, dt.datetime(2025, 6, 9, tzinfo=dt.UTC)).output == Decimal(40) / 1_000_000


def test_tokens_out_of_the_cache_have_their_own_price_and_reasoning_is_output() -> None:
    # gpt-5: 1.25 USD for input, 0.125 for cached input, 10 for output.
    usage = Usage(input_tokens=1000, cached_tokens=600, output_tokens=200, reasoning_tokens=150)
    expected = (400 * 1.25 + 600 * 0.125 + 200 * 10) / 1e6
    assert public("gpt-5", OPENAI).cost(usage, NOW) == pytest.approx(expected)


def test_a_long_prompt_costs_what_its_tier_costs() -> None:
    # gemini-2.5-pro: 1.25 and 10 USD, above 200,000 tokens of input 2.5 and 15.
    prices = public("gemini-2.5-pro", GOOGLE)
    assert prices.cost(Usage(200_000, 1000), NOW) == pytest.approx(0.26)
    assert prices.cost(Usage(200_001, 1000), NOW) == pytest.approx(0.5150025)


def test_the_same_name_is_priced_by_whoever_is_behind_the_address() -> None:
    assert public("openai/gpt-5", OPENROUTER).cost(MILLION, NOW) == pytest.approx(11.25)
    assert TokenPrices.public("openai/gpt-5", OPENAI, {}) is None
    # A gateway of one's own company asks for what the model's maker asks for.
    assert public("gpt-5", "https://models.example.com/v1").cost(MILLION, NOW) == pytest.approx(11.25)


def test_a_tier_of_service_has_its_own_price() -> None:
    usual, fast = public("gpt-5", OPENAI), public("gpt-5", OPENAI, service_tier="priority")
    later = dt.datetime(2026, 11, 2, tzinfo=dt.UTC)
    assert fast.rates(1, later).output == 2 * usual.rates(1, later).output


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://127.0.0.1:8000/v1",
        "http://localhost:11434/v1",
        "http://10.1.2.3/v1",
        "http://[::1]:80/v1",
        "http://vllm:8000/v1",
        "http://gpu.local/v1",
        "http://host.docker.internal:1234/v1",
    ],
)
def test_what_runs_on_the_users_own_machines_has_no_public_price(endpoint: str) -> None:
    assert TokenPrices.public("gpt-5", endpoint, {}) is None


def test_a_model_that_nobody_knows_has_no_price() -> None:
    assert TokenPrices.public("gpt-5-of-my-own", OPENAI, {}) is None
    assert tariff_of(entry("gpt-5-of-my-own"), AgentConfig(), None).prices is None


def test_usage_that_the_provider_does_not_report_has_no_cost() -> None:
    prices = stated(input="1", output="2")
    assert prices.cost(Usage(), NOW) is None
    assert prices.cost(Usage(input_tokens=5), NOW) is None
    assert prices.cost(Usage(input_tokens=0, output_tokens=0), NOW) == 0


def test_a_price_in_the_config_wins_and_cached_tokens_cost_as_others_where_it_says_nothing_of_them() -> None:
    model = entry(price={"input": "3", "output": "7"})
    prices = tariff_of(model, AgentConfig(), None).prices
    if prices is None:
        raise AssertionError("no price")
    assert prices.cost(Usage(1_000_000, 1_000_000, 500_000), NOW) == pytest.approx(10)
    with_cache = stated(input="3", output="7", cached="1")
    assert with_cache.cost(Usage(1_000_000, 1_000_000, 500_000), NOW) == pytest.approx(9)


def test_a_model_without_an_endpoint_is_where_the_environment_says_else_at_openai() -> None:
    model = entry(openai_base_url=None)
    assert tariff_of(model, AgentConfig(), "http://127.0.0.1:1/v1").prices is None
    assert tariff_of(model, AgentConfig(), None).prices is not None


@pytest.mark.parametrize("budget", ["max_cost_usd", "max_cost_usd_per_model_day", "max_cost_usd_per_run"])
def test_a_budget_for_a_model_without_a_price_is_refused_with_the_way_out(budget: str) -> None:
    agent = AgentConfig.model_validate({budget: Decimal(1)})
    with pytest.raises(ConfigError, match=rf"m: agent_config\.{budget} cannot be kept.*models\[\]\.price"):
        tariff_of(entry("gpt-5-of-my-own"), agent, None)
    free = entry("gpt-5-of-my-own", price={"input": 0, "output": 0})
    assert tariff_of(free, agent, None).limits == {budget: 1}


@pytest.mark.parametrize(
    ("api", "params", "limit"),
    [
        ("chat", {}, None),
        ("chat", {"max_tokens": 500}, 500),
        ("chat", {"max_completion_tokens": 600}, 600),
        ("chat", {"max_output_tokens": 700}, None),
        ("responses", {"max_output_tokens": 700}, 700),
        ("responses", {"max_tokens": 500}, None),
    ],
)
def test_the_limit_of_the_output_is_the_one_that_the_interface_knows(
    api: str, params: dict[str, int], limit: int | None
) -> None:
    assert tariff_of(entry(api=api, params=params), AgentConfig(), None).output_limit == limit


@settings(deadline=None)
@given(
    model=st.sampled_from(
        [
            ("gpt-5", OPENAI),
            ("o3", OPENAI),
            ("gemini-2.5-pro", GOOGLE),
            ("anthropic/claude-sonnet-4.5", OPENROUTER),
            ("deepseek-chat", "https://api.deepseek.com"),
        ]
    ),
    most=st.tuples(st.integers(0, 400_000), st.integers(0, 100_000)),
    share=st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)),
    days=st.integers(0, 700),
)
def test_no_call_costs_more_than_the_most_that_was_reckoned_for_it(
    model: tuple[str, str], most: tuple[int, int], share: tuple[float, float, float], days: int
) -> None:
    prices = public(*model)
    at = dt.datetime(2025, 1, 1, 3, tzinfo=dt.UTC) + dt.timedelta(days=days, hours=days)
    read, written = int(most[0] * share[0]), int(most[1] * share[1])
    cost = prices.cost(Usage(read, written, int(read * share[2]), int(written * share[2])), at)
    assert cost is not None
    assert cost <= float(prices.rates(most[0], at).cost(*most)) + 1e-12
