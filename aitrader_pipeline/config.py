"""The arena's config: which models trade, when, with what money, on which prices.

A config is a JSON file, optionally with a second one laid over it. It is validated as a whole before anything
runs; `docs/configuration.md` is the reference of every field. Secrets are never in it: a model entry names
the environment variable that holds its key.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import dotenv
from pydantic import Field, ValidationError, ValidationInfo, field_validator

from aitrader_pipeline.config_files import merged, read_document
from aitrader_pipeline.config_market import SOURCES, MarketConfig
from aitrader_pipeline.config_problems import ProblemsError, not_known, problem_lines, roster_lines
from aitrader_pipeline.config_search import SearchConfig
from aitrader_pipeline.config_sections import (
    COST_BUDGETS,
    TRADERS,
    AgentConfig,
    Costs,
    DateRange,
    EndpointConfig,
    LogConfig,
    MetricsConfig,
    ModelConfig,
    NotificationConfig,
    PriceConfig,
    RecordingsConfig,
    Section,
    Text,
)
from aitrader_pipeline.config_tool_servers import McpServerConfig
from aitrader_pipeline.errors import ConfigError

__all__ = [
    "PROJECT_ROOT",
    "SOURCES",
    "TRADERS",
    "AgentConfig",
    "ArenaConfig",
    "Costs",
    "DateRange",
    "EndpointConfig",
    "LogConfig",
    "MarketConfig",
    "McpServerConfig",
    "MetricsConfig",
    "ModelConfig",
    "NotificationConfig",
    "PriceConfig",
    "RecordingsConfig",
    "SearchConfig",
    "Settings",
    "explain",
    "load_settings",
    "read_dotenv",
]

PROJECT_ROOT = Path(__file__).resolve().parent.parent


class ArenaConfig(Section):
    """A whole arena, validated.

    Attributes:
        agent_type: As in existing files; there is one.
        date_range: The days.
        models: The competitors, at least one of them enabled; a model with replicas is that many of them.
        agent_config: How sessions run.
        log_config: What existing files say on logs.
        market: Where the prices come from.
        metrics: What the metrics assume.
        notifications: Who is told of failures.
        endpoints: Limits of endpoints; one that is not listed has the defaults.
        search: Where the models find news.
        mcp_servers: Tool servers of the user's own, by name.
        recordings: What becomes of the answers that models and tools give.
    """

    agent_type: Literal["BaseAgent"] = "BaseAgent"
    date_range: DateRange
    models: tuple[ModelConfig, ...]
    agent_config: AgentConfig = AgentConfig()
    log_config: LogConfig = LogConfig()
    market: MarketConfig = MarketConfig()
    metrics: MetricsConfig = MetricsConfig()
    notifications: NotificationConfig = NotificationConfig()
    endpoints: tuple[EndpointConfig, ...] = ()
    search: SearchConfig = SearchConfig()
    mcp_servers: dict[Text, McpServerConfig] = Field(default={})
    recordings: RecordingsConfig = RecordingsConfig()

    @field_validator("market")
    @classmethod
    def _has_symbols_to_ask_for(cls, value: MarketConfig, info: ValidationInfo) -> MarketConfig:
        agent = info.data.get("agent_config")
        if value.vendors and agent is not None and agent.stock_symbols is None:
            who = value.vendors[0]
            raise ProblemsError(
                [f"agent_config.stock_symbols: is missing; {who} has to be told which symbols to fetch"]
            )
        return value

    @field_validator("models")
    @classmethod
    def _fit_together(cls, value: tuple[ModelConfig, ...]) -> tuple[ModelConfig, ...]:
        lines = roster_lines([(model.signature, model.enabled, model.replicas) for model in value])
        if lines:
            raise ProblemsError(lines)
        # From here on replicas are models like any other.
        return tuple(portfolio for model in value for portfolio in model.portfolios)

    @field_validator("endpoints")
    @classmethod
    def _listed_once(cls, value: tuple[EndpointConfig, ...]) -> tuple[EndpointConfig, ...]:
        urls = [endpoint.openai_base_url for endpoint in value]
        twice = sorted({str(url) for url in urls if urls.count(url) > 1})
        if twice:
            raise ValueError(f"given more than once: {', '.join(twice)}; each endpoint stands once")
        return value

    @classmethod
    def load(cls, path: Path, override: Path | None = None) -> "ArenaConfig":
        """Reads, merges and validates.

        Args:
            path: The config file.
            override: A second one laid over it: objects merge key by key, anything else is replaced.

        Raises:
            ConfigError: Lists every problem, one line each, with the path of the field and what is right.
        """
        document = read_document(path, "AITRADER_CONFIG")
        files = str(path)
        if override is not None:
            document = merged(document, read_document(override, "AITRADER_CONFIG_OVERRIDE"))
            files += f" with {override} over it"
        try:
            # Through JSON, because only there strict types still let a date or a path be text.
            return cls.model_validate_json(json.dumps(document), strict=True)
        except ValidationError as error:
            lines = problem_lines(error, cls)
        lines = list(dict.fromkeys([*lines, *_roster_lines_of_document(document)]))
        # Raised here and not above, so that pydantic's error, which holds the values, does not hang on.
        count = "1 problem" if len(lines) == 1 else f"{len(lines)} problems"
        raise ConfigError("\n".join([f"{files}: {count}", *lines]))

    def endpoint(self, base_url: str | None) -> EndpointConfig:
        """The limits of the endpoint that a model names; None is the one of the environment."""
        listed = (entry for entry in self.endpoints if entry.openai_base_url == base_url)
        return next(listed, EndpointConfig(openai_base_url=base_url))

    @property
    def tool_servers(self) -> dict[str, McpServerConfig]:
        """The user's own tool servers that are not switched off, by name."""
        return {name: server for name, server in self.mcp_servers.items() if not server.disabled}

    @property
    def enabled_models(self) -> tuple[ModelConfig, ...]:
        """The models that trade, in the order of the config."""
        return tuple(model for model in self.models if model.enabled)

    def model(self, signature: str) -> ModelConfig | None:
        """The model with this signature, or None."""
        return next((model for model in self.models if model.signature == signature), None)

    def replicas(self, signature: str) -> tuple[str, ...]:
        """The signatures of a model's replicas, given its own; none where it has none."""
        return tuple(model.signature for model in self.models if model.replica_of == signature)

    def settings_hash(self, signature: str) -> str:
        """Hashes what can change a session of one model, and nothing else.

        How many sessions run side by side, the display name, whether the model is enabled, where files lie
        and what the other models are do not count; a prompt template counts by its content.

        Args:
            signature: The model's.

        Returns:
            The SHA-256 of canonical JSON, in 64 hexadecimal digits.

        Raises:
            ConfigError: There is no such model, or its prompt template is gone.
        """
        model = self.model(signature)
        if model is None:
            raise ConfigError(not_known("model", signature, [model.signature for model in self.models]))
        agent = self.agent_config
        # The universe is "all but the benchmark" where it is not listed: only then the benchmark counts.
        excluded = self.market.benchmark if agent.stock_symbols is None else None
        symbols = None if agent.stock_symbols is None else [str(entry) for entry in agent.stock_symbols]
        # Without a budget in USD a price changes what is told of a session, and not the session.
        is_capped = any(getattr(agent, name) is not None for name in COST_BUDGETS)
        model_excluded = {"enabled", "name", "replicas", "training_cutoff"} | (set() if is_capped else {"price"})
        settings = {
            "agent": agent.model_dump(exclude={"max_concurrent_sessions", "prompt_template", "stock_symbols"}),
            "model": model.model_dump(exclude=model_excluded),
            "prompt_template": _digest_of_file(agent.prompt_template),
            # No baseline searches.
            "search": self.search.model_dump() if model.kind == "model" else None,
            "universe": {"symbols": symbols, "excluded": excluded},
        }
        # What is as it has always been leaves the hashes of older records as they are.
        usual = MarketConfig.model_fields
        for name in ("currency", "delisted", "lot_size"):
            if getattr(self.market, name) != usual[name].default:
                settings[name] = getattr(self.market, name)
        if model.kind == "model" and self.tool_servers:
            settings["mcp_servers"] = {name: server.identity for name, server in self.tool_servers.items()}
        canonical = json.dumps(settings, sort_keys=True, separators=(",", ":"), default=_plain_decimal)
        return hashlib.sha256(canonical.encode()).hexdigest()


@dataclass(frozen=True)
class Settings:
    """The active config and where the arena keeps its state.

    Attributes:
        config_path: The config file.
        override_path: The one laid over it, if any.
        home: The folder of all runtime state; absolute.
        config: What the files say.
    """

    config_path: Path
    override_path: Path | None
    home: Path
    config: ArenaConfig

    @property
    def records_dir(self) -> Path:
        """The folder of the records, one file a model-day."""
        return self.home / "records"

    @property
    def mart_path(self) -> Path:
        """The DuckDB file."""
        return self.home / "aitrader.duckdb"


def read_dotenv() -> None:
    """Reads `.env` of the current directory into the environment; what is set there already wins."""
    dotenv.load_dotenv(Path.cwd() / ".env", override=False)


def load_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Finds and loads the active config.

    Args:
        environ: ``AITRADER_CONFIG``, ``AITRADER_CONFIG_OVERRIDE`` and ``AITRADER_HOME`` count; relative
            paths are seen from the current directory, an empty value is as good as none.

    Raises:
        ConfigError: A file is missing or wrong, or the home is not a folder.
    """
    config_path = _path_of(environ, "AITRADER_CONFIG") or PROJECT_ROOT / "configs" / "default_config.json"
    override_path = _path_of(environ, "AITRADER_CONFIG_OVERRIDE")
    home = _path_of(environ, "AITRADER_HOME") or PROJECT_ROOT / "data"
    standing = next(path for path in (home, *home.parents) if path.exists())
    if not standing.is_dir():
        raise ConfigError(f"AITRADER_HOME: {standing} is not a folder; name one, it need not exist yet")
    return Settings(config_path, override_path, home, ArenaConfig.load(config_path, override_path))


def explain(config: ArenaConfig) -> list[tuple[str, str]]:
    """The settings as they hold after defaults and merging, for people; never a secret.

    Args:
        config: The arena.

    Returns:
        Pairs of a name, such as ``agent_config.max_steps``, and what it is set to.
    """
    dates = config.date_range
    rows = [("date_range", f"{dates.init_date} to {dates.end_date or 'open end'}")]
    groups = Counter(model.replica_of or model.signature for model in config.models)
    # The replicas of a model differ in their seeds alone: one of them speaks for all.
    speakers = {model.replica_of or model.signature: model for model in config.models}
    rows += [(f"models.{name}", _explain_model(model, groups[name])) for name, model in speakers.items()]
    sections = {
        "agent_config": config.agent_config,
        "market": config.market,
        "metrics": config.metrics,
        "search": config.search,
        "recordings": config.recordings,
        "notifications": config.notifications,
        "log_config": config.log_config,
    }
    for section, settings in sections.items():
        rows += [(f"{section}.{name}", _explain_value(name, value)) for name, value in settings]
    rows += [(f"mcp_servers.{name}", str(server)) for name, server in config.mcp_servers.items()]
    return rows


def _explain_model(model: ModelConfig, portfolios: int) -> str:
    words = ["enabled" if model.enabled else "disabled", model.trader]
    if portfolios > 1:
        words += [f"{portfolios} replicas"]
    if model.kind == "model":
        endpoint = model.openai_base_url or "the endpoint of OPENAI_API_BASE"
        words += [f"{model.basemodel} ({model.api}) at {endpoint}"]
        words += [f"key from {model.key_variable}"]
    if model.training_cutoff:
        words += [f"trained through {model.training_cutoff}"]
    if model.params:
        words += [f"params: {' '.join(sorted(model.params))}"]
    return ", ".join(words)


def _explain_value(name: str, value: object) -> str:
    if name == "stock_symbols":
        if not isinstance(value, tuple):
            return "all of the source but the benchmark"
        entries = [str(entry) for entry in value]
        return f"{len(entries)}: {(', ' if any(' ' in entry for entry in entries) else ' ').join(entries)}"
    if isinstance(value, Costs):
        return ", ".join(f"{part} {amount}" for part, amount in value)
    return "none" if value is None else str(value)


def _path_of(environ: Mapping[str, str], variable: str) -> Path | None:
    value = environ.get(variable, "").strip()
    return Path(value).expanduser().absolute() if value else None


def _roster_lines_of_document(document: Mapping[str, Any]) -> list[str]:
    """A wrong field in one model keeps pydantic from comparing the models; people want both told at once."""
    models = document.get("models")
    if not isinstance(models, list):
        return []
    entries = [model if isinstance(model, dict) else {} for model in models]
    return roster_lines(
        [(entry.get("signature"), entry.get("enabled", True), entry.get("replicas", 1)) for entry in entries]
    )


def _digest_of_file(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(f"agent_config.prompt_template: {path} cannot be read: {error.strerror}") from error


def _plain_decimal(value: object) -> str:
    """10000, 10000.0 and 1E+4 are one amount and hash as one."""
    if not isinstance(value, Decimal):
        raise TypeError(f"{type(value).__name__} has no canonical form")
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
