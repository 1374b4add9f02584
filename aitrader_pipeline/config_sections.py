"""The sections of an arena's config, each a frozen model that refuses what it does not know."""

import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PlainValidator,
    PrivateAttr,
    ValidationInfo,
    field_validator,
)

from aitrader_pipeline.config_problems import MOST_REPLICAS, not_known, replica_signature
from aitrader_pipeline.config_universe import (
    Entry,
    each_once,
    entries_of_file,
    entry_of,
    members_on,
    strict_date,
    symbol_text,
)
from aitrader_pipeline.plugins import is_plugin

TRADERS = ("openai", "cash", "buy_and_hold", "equal_weight", "momentum", "mean_reversion", "random")

_SIGNATURE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LONGEST_SIGNATURE = 100
_VARIABLE_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
# Some vendors' keys are capitals and digits alone and would pass for a variable's name.
_CAPITAL_KEY = re.compile(r"(?=.*\d)[A-Z0-9]{16,}")
_OWN_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
SECRET_PARAM = re.compile(r"api[_-]?key|authorization|(auth|access)[_-]?token|secret|password", re.IGNORECASE)


def _no_placeholder(value: object) -> object:
    """Existing files say "Optional: YOUR_…" where nothing is set."""
    if isinstance(value, str) and (not value.strip() or value.strip().startswith("Optional:")):
        return None
    return value


def _stated_path(value: object) -> object:
    if isinstance(value, str) and not value.strip():
        raise ValueError("is empty; give a path or leave it out")
    return value


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("is empty; give some text")
    return value


def _plain_endpoint(value: str | None) -> str | None:
    if value is None:
        return None
    try:
        parts = urlsplit(value)
        hidden = parts.username or parts.password or parts.query or parts.fragment
        # Asking for the port finds a password with a slash, which is taken for host, port and path.
        plain = parts.hostname and parts.port != 0 and not hidden
    except ValueError:
        plain = False
    if not plain or parts.scheme not in ("http", "https"):
        raise ValueError(
            "the value (not shown) is not the address of an endpoint; "
            "use http(s)://host/path without user, password or query, such as 'https://api.openai.com/v1'"
        )
    return value


def _variable_name(value: str | None) -> str | None:
    if value is None or (_VARIABLE_NAME.fullmatch(value) and not _CAPITAL_KEY.fullmatch(value)):
        return value
    raise ValueError(
        "the value (not shown) is not the name of an environment variable; put the key itself into the "
        "environment or a .env file and its variable's name here, such as 'OPENAI_API_KEY'"
    )


def _secret_within(value: JsonValue) -> str | None:
    if isinstance(value, dict):
        own = next((key for key in value if SECRET_PARAM.search(key)), None)
        return own or _secret_within(list(value.values()))
    if isinstance(value, list):
        return next((found for inner in value if (found := _secret_within(inner))), None)
    return None


StrictDate = Annotated[date, BeforeValidator(strict_date)]
StatedPath = Annotated[Path, BeforeValidator(_stated_path)]
Text = Annotated[str, AfterValidator(_not_blank)]
Symbol = Annotated[str, AfterValidator(symbol_text)]
Cost = Annotated[Decimal, Field(ge=0)]
Limit = Annotated[Decimal, Field(gt=0)]
Endpoint = Annotated[str | None, BeforeValidator(_no_placeholder), AfterValidator(_plain_endpoint)]
VariableName = Annotated[str | None, BeforeValidator(_no_placeholder), AfterValidator(_variable_name)]


# Budgets in USD: of a session, of a model and session date, and of a launch.
COST_BUDGETS = ("max_cost_usd", "max_cost_usd_per_model_day", "max_cost_usd_per_run")


class Section(BaseModel):
    """What all sections share: frozen, no unknown keys, no value shown by an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)


class DateRange(Section):
    """The days on which the arena trades, both ends included.

    Attributes:
        init_date: The first session that is traded if it is one, else the next session is.
        end_date: The last day; None goes on with the market.
    """

    init_date: StrictDate
    end_date: StrictDate | None = None

    @field_validator("end_date")
    @classmethod
    def _not_reversed(cls, value: date | None, info: ValidationInfo) -> date | None:
        first = info.data.get("init_date")
        if value is not None and first is not None and value < first:
            raise ValueError(f"{value} is before init_date {first}; swap them or leave end_date out")
        return value


class PriceConfig(Section):
    """What a model's tokens cost, in USD per million.

    Attributes:
        input: Tokens that it reads.
        output: Tokens that it writes, reasoning included.
        cached: Tokens that the provider read from its cache; None is the price of all input.
    """

    input: Cost
    output: Cost
    cached: Cost | None = None


class ModelConfig(Section):
    """One competitor.

    Attributes:
        name: What people call it.
        signature: The identity of its portfolio; safe as a file name.
        enabled: Whether it trades; a disabled model keeps its results.
        trader: Who decides: one of ``TRADERS`` (a model behind an OpenAI-compatible endpoint, or a baseline), or a
            trader of one's own by its import path ``package.module:factory`` or its entry point's name.
        basemodel: What the endpoint calls the model; required for the trader ``openai``.
        openai_base_url: The endpoint; None takes the environment's.
        openai_api_key: The NAME of the environment variable that holds the key; None is the usual one.
        api: Which of the endpoint's two interfaces to speak.
        params: Extra request parameters of a model, or the settings of a baseline; never secrets.
        price: What its tokens cost; None takes the public prices.
        replicas: How many independent portfolios it has, each a competitor of its own (see ``portfolios``).
        training_cutoff: The last day that its training data may know of; None where that is unknown.
    """

    name: Text
    signature: str
    enabled: bool = True
    trader: str = "openai"
    basemodel: str | None = Field(default=None, validate_default=True)
    openai_base_url: Endpoint = None
    openai_api_key: VariableName = None
    api: Literal["chat", "responses"] = "chat"
    params: dict[str, JsonValue] = Field(default={}, repr=False)
    price: PriceConfig | None = None
    replicas: int = Field(default=1, ge=1, le=MOST_REPLICAS)
    training_cutoff: StrictDate | None = None
    # Not a field, because no file may state it.
    _replica_of: str | None = PrivateAttr(default=None)

    @property
    def replica_of(self) -> str | None:
        """The signature that the config gives to all replicas of a model; None for a portfolio of its own."""
        return self._replica_of

    @property
    def portfolios(self) -> "tuple[ModelConfig, ...]":
        """The competitors that the entry stands for: itself, or its replicas, each with a seed of its own."""
        if self.replicas == 1:
            return (self,)
        return tuple(map(self._replica, range(1, self.replicas + 1)))

    def _replica(self, number: int) -> "ModelConfig":
        params = dict(self.params)
        seed = params.get("seed", 0 if self.trader == "random" else None)
        if isinstance(seed, int):
            params["seed"] = seed + number - 1
        own = {"signature": replica_signature(self.signature, number), "name": f"{self.name} {number}"}
        copy = self.model_copy(update={**own, "params": params, "replicas": 1})
        copy._replica_of = self.signature
        return copy

    @property
    def kind(self) -> Literal["model", "baseline"]:
        """Whether a language model or a rule decides."""
        return "baseline" if self.trader in TRADERS and self.trader != "openai" else "model"

    @property
    def key_variable(self) -> str:
        """The environment variable that holds the endpoint's key."""
        return self.openai_api_key or "OPENAI_API_KEY"

    @property
    def needs_key(self) -> bool:
        """Whether the variable has to be set; a server on this machine may do without, unless one is named."""
        host = urlsplit(self.openai_base_url or "").hostname
        return self.openai_api_key is not None or host not in _OWN_HOSTS

    @field_validator("signature")
    @classmethod
    def _is_a_signature(cls, value: str) -> str:
        if not _SIGNATURE.fullmatch(value):
            raise ValueError(
                f"{value!r} is not a signature; use letters, digits, '.', '_' and '-', such as 'gpt-5'"
            )
        if len(value) > _LONGEST_SIGNATURE:
            raise ValueError(f"has {len(value)} characters; use at most {_LONGEST_SIGNATURE}")
        return value

    @field_validator("trader")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value not in TRADERS and not is_plugin(value):
            raise ValueError(
                f"{not_known('trader', value, TRADERS)}; or one of your own, such as 'my_package.traders:Mine'"
            )
        return value

    @field_validator("basemodel")
    @classmethod
    def _given_for_openai(cls, value: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("trader") == "openai" and not (value and value.strip()):
            raise ValueError("is missing; the trader 'openai' needs the endpoint's name of the model")
        return value

    @field_validator("params")
    @classmethod
    def _hold_no_secret(cls, value: dict[str, JsonValue]) -> dict[str, JsonValue]:
        secret = _secret_within(value)
        if secret is not None:
            raise ValueError(
                f"{secret!r} looks like a place for a key; params are sent and kept as they are, "
                "put the key into the environment and its variable's name into openai_api_key"
            )
        return value

    @field_validator("replicas")
    @classmethod
    def _can_be_told_apart(cls, value: int, info: ValidationInfo) -> int:
        if value == 1:
            return value
        seed = info.data.get("params", {}).get("seed", 0)
        is_whole = isinstance(seed, int) and not isinstance(seed, bool)
        if not is_whole:
            raise ValueError("each replica counts its own seed up from params.seed, which is not a whole number")
        longest = replica_signature(info.data.get("signature", ""), value)
        if len(longest) > _LONGEST_SIGNATURE:
            raise ValueError(
                f"the signature of the last one, {longest!r}, has {len(longest)} characters; "
                f"use at most {_LONGEST_SIGNATURE}"
            )
        return value


class EndpointConfig(Section):
    """What all runs together may ask of an endpoint.

    Attributes:
        openai_base_url: The endpoint, as the models name it; None is the one of the environment.
        max_concurrent_calls: Model calls under way at once.
        calls_per_minute: Model calls begun in a minute; None for no limit.
    """

    openai_base_url: Endpoint = None
    max_concurrent_calls: int = Field(default=64, ge=1, le=1000)
    calls_per_minute: float | None = Field(default=None, gt=0)


class Costs(Section):
    """What a fill costs: ``per_order + per_share * shares + bps / 10000 * notional``.

    Attributes:
        per_order: Money for each fill.
        per_share: Money for each share.
        bps: Hundredths of a percent of the money that changes hands.
    """

    per_order: Cost = Decimal(0)
    per_share: Cost = Decimal(0)
    bps: Cost = Decimal(0)


class AgentConfig(Section):
    """How every session runs, the same for all models.

    Attributes:
        max_steps: Model calls in one session.
        max_retries: Further attempts of a model call that failed.
        base_delay: Seconds before the first of them.
        initial_cash: What each portfolio starts with; at most 6 decimals.
        stock_symbols: The universe, an entry with dates only between them; None is every symbol that the source
            has, other than the benchmark.
        max_tool_calls: Tool calls in one session.
        time_limit_seconds: Wall-clock time of one session.
        call_timeout_seconds: Wall-clock time of one model call.
        max_tokens: Tokens of one session; None has no limit.
        max_cost_usd: USD for the model calls of one session; None has no limit, here and below.
        max_cost_usd_per_model_day: USD for one model and session date, over all attempts and launches.
        max_cost_usd_per_run: USD for one launch: a run with its retries, or a backfill with all its runs.
        missing_session: Whether a session waits for a missing one before it, or carries the portfolio over.
        max_concurrent_sessions: Models that trade side by side in one run.
        prompt_template: A system prompt of one's own; None is the built-in one.
        costs: What a fill costs.
    """

    max_steps: int = Field(default=30, ge=1)
    max_retries: int = Field(default=3, ge=0)
    base_delay: float = Field(default=1.0, ge=0)
    # The mart keeps money as DECIMAL(18, 6): twelve digits before the point, the first left for profit.
    initial_cash: Decimal = Field(default=Decimal(10000), gt=0, lt=10**11, decimal_places=6)
    stock_symbols: Annotated[
        tuple[Annotated[Entry, PlainValidator(entry_of)], ...] | None, BeforeValidator(entries_of_file)
    ] = None
    max_tool_calls: int = Field(default=500, ge=1)
    time_limit_seconds: float = Field(default=600.0, gt=0)
    call_timeout_seconds: float = Field(default=120.0, gt=0)
    max_tokens: int | None = Field(default=None, ge=1)
    max_cost_usd: Limit | None = None
    max_cost_usd_per_model_day: Limit | None = None
    max_cost_usd_per_run: Limit | None = None
    missing_session: Literal["block", "carry"] = "block"
    max_concurrent_sessions: int = Field(default=100, ge=1)
    prompt_template: StatedPath | None = None
    costs: Costs = Costs()

    def members(self, day: date) -> tuple[str, ...] | None:
        """The symbols of the universe on a day; None where no list says so."""
        return None if self.stock_symbols is None else members_on(self.stock_symbols, day)

    @field_validator("stock_symbols")
    @classmethod
    def _unique(cls, value: tuple[Entry, ...] | None) -> tuple[Entry, ...] | None:
        return None if value is None else tuple(each_once(value))

    @field_validator("prompt_template")
    @classmethod
    def _exists(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError(f"no such file: {value}; give the path of a text file or leave it out")
        return value


class RecordingsConfig(Section):
    """What becomes of the answers of models and of tools that reach out.

    Attributes:
        mode: ``record`` asks and keeps every answer; ``auto`` takes what is kept and asks for the rest; ``replay``
            asks nobody; ``off`` asks and keeps nothing.
    """

    mode: Literal["off", "record", "auto", "replay"] = "record"


class MetricsConfig(Section):
    """What the metrics assume.

    Attributes:
        risk_free_rate: A year's rate as a fraction: 0.05 is 5 %.
        resamples: Of the bootstrap; None takes from 1,000 to 10,000, the fewer the larger the board is.
        seed: Of the bootstrap: the same gives the same figures.
        confidence_level: Of intervals and tie groups.
        min_sessions: Sessions under which nothing is inferred: it is too early.
    """

    risk_free_rate: float = Field(default=0.0, gt=-1)
    resamples: int | None = Field(default=None, ge=100, le=1_000_000)
    seed: int = Field(default=0, ge=0)
    confidence_level: float = Field(default=0.95, gt=0.5, lt=1)
    min_sessions: int = Field(default=20, ge=2)


class NotificationConfig(Section):
    """Who is told of failures beside the log.

    Attributes:
        webhook: The NAME of the environment variable that holds a webhook's URL; None for no webhook.
        missed_after_hours: How long after its close a session that a model has not traded is told of.
    """

    webhook: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")] | None = None
    missed_after_hours: float = Field(default=6.0, ge=0, le=10_000)


class LogConfig(Section):
    """What existing files say on logs.

    Attributes:
        log_path: The folder of the books, as existing files give it.
    """

    log_path: Text = "./data/agent_data"
