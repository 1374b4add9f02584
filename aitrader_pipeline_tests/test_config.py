"""A config loads from files and environment, says what holds, and hashes what can change a session."""

import json
import os
import re
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, get_origin

import pytest
from pydantic import BaseModel, ValidationError

from aitrader_pipeline.config import (
    PROJECT_ROOT,
    SOURCES,
    TRADERS,
    AgentConfig,
    ArenaConfig,
    Costs,
    explain,
    load_settings,
)
from aitrader_pipeline.errors import ArenaError, ConfigError

CONFIGS = PROJECT_ROOT / "configs"
REFERENCE = PROJECT_ROOT / "docs" / "configuration.md"
PASTED_KEY = "sk-proj-abcDEF0123456789"

GPT: dict[str, Any] = {"name": "GPT-5", "signature": "gpt-5", "basemodel": "openai/gpt-5"}
CASH: dict[str, Any] = {"name": "Cash", "signature": "cash", "trader": "cash"}


def arena(**sections: Any) -> dict[str, Any]:
    return {"date_range": {"init_date": "2025-10-02", "end_date": "2025-10-30"}, "models": [GPT], **sections}


def written(folder: Path, document: object, name: str = "arena.json") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    return path


def loaded(folder: Path, **sections: Any) -> ArenaConfig:
    return ArenaConfig.load(written(folder, arena(**sections)))


# --- what is shipped and what users have ---


def test_the_default_config_is_six_baselines_on_the_sample() -> None:
    config = ArenaConfig.load(CONFIGS / "default_config.json")
    assert config.market.source == "sample"
    assert (config.date_range.init_date, config.date_range.end_date) == (date(2012, 10, 1), date(2013, 3, 1))
    assert config.agent_config.initial_cash == 10000
    assert {model.signature: (model.trader, model.params) for model in config.enabled_models} == {
        "cash": ("cash", {}),
        "buy-and-hold": ("buy_and_hold", {}),
        "equal-weight": ("equal_weight", {"rebalance_sessions": 20}),
        "momentum": ("momentum", {"lookback": 20, "top": 2}),
        "mean-reversion": ("mean_reversion", {"lookback": 10, "top": 2}),
        "random": ("random", {"seed": 7}),
    }
    assert {model.kind for model in config.models} == {"baseline"}


def test_the_full_arena_has_101_symbols_and_one_enabled_model_beside_the_baselines() -> None:
    config = ArenaConfig.load(CONFIGS / "nasdaq100.json")
    symbols = config.agent_config.stock_symbols
    assert symbols is not None
    assert len(symbols) == 101
    assert (symbols[0], symbols[-1]) == ("AAPL", "ZS")
    assert [model.signature for model in config.enabled_models if model.kind == "model"] == ["gpt-5"]
    assert len({model.replica_of or model.signature for model in config.enabled_models}) == 7
    assert (config.market.source, config.market.benchmark) == ("merged_jsonl", "QQQ")
    assert config.market.path == PROJECT_ROOT / "data" / "merged.jsonl"


def test_a_file_of_the_original_system_loads_and_its_placeholders_count_as_unset(tmp_path: Path) -> None:
    document = {
        "agent_type": "BaseAgent",
        "date_range": {"init_date": "2025-10-01", "end_date": "2025-10-21"},
        "models": [
            {
                "name": "claude-3.7-sonnet",
                "basemodel": "anthropic/claude-3.7-sonnet",
                "signature": "claude-3.7-sonnet",
                "enabled": False,
                "openai_base_url": "Optional: YOUR_OPENAI_BASE_URL,you can write them in .env file",
                "openai_api_key": "Optional: YOUR_OPENAI_API_KEY,you can write them in .env file",
            },
            {"name": "gpt-5", "basemodel": "openai/gpt-5", "signature": "gpt-5", "enabled": True},
        ],
        "agent_config": {"max_steps": 30, "max_retries": 3, "base_delay": 1.0, "initial_cash": 10000.0},
        "log_config": {"log_path": "./data/agent_data"},
    }
    config = ArenaConfig.load(written(tmp_path, document))
    claude = config.model("claude-3.7-sonnet")
    assert claude is not None
    assert (claude.openai_base_url, claude.openai_api_key) == (None, None)
    assert [model.signature for model in config.enabled_models] == ["gpt-5"]
    assert config.log_config.log_path == "./data/agent_data"
    assert config.market.source == "sample"


def test_a_model_that_is_not_in_the_config_is_none(tmp_path: Path) -> None:
    assert loaded(tmp_path).model("gpt-6") is None


def test_money_is_exact_and_keeps_six_decimals(tmp_path: Path) -> None:
    config = loaded(tmp_path, agent_config={"initial_cash": 12345.000001, "costs": {"bps": "0.1"}})
    assert config.agent_config.initial_cash == Decimal("12345.000001")
    assert config.agent_config.costs == Costs(bps=Decimal("0.1"))


def test_symbols_are_taken_without_regard_to_case_or_surrounding_space(tmp_path: Path) -> None:
    config = loaded(tmp_path, agent_config={"stock_symbols": [" aapl", "brk.b "]}, market={"benchmark": " qqq"})
    assert config.agent_config.stock_symbols == ("AAPL", "BRK.B")
    assert config.market.benchmark == "QQQ"


def test_an_open_ended_arena_has_no_end_date(tmp_path: Path) -> None:
    assert loaded(tmp_path, date_range={"init_date": "2025-10-02"}).date_range.end_date is None


def test_nothing_of_a_loaded_config_can_be_changed(tmp_path: Path) -> None:
    config = loaded(tmp_path)
    with pytest.raises(ValidationError):
        config.agent_config.max_steps = 5  # type: ignore[misc]  # the very thing that must not work


# --- two files, and paths ---


def test_an_override_merges_objects_key_by_key_and_replaces_lists_whole(tmp_path: Path) -> None:
    base = written(
        tmp_path,
        arena(
            models=[GPT, CASH],
            agent_config={"max_steps": 10, "max_retries": 1, "costs": {"per_order": 1, "bps": 2}},
        ),
    )
    override = written(
        tmp_path,
        {"models": [CASH], "agent_config": {"max_steps": 20, "costs": {"bps": 5}}},
        "override.json",
    )
    config = ArenaConfig.load(base, override)
    assert [model.signature for model in config.models] == ["cash"]
    assert (config.agent_config.max_steps, config.agent_config.max_retries) == (20, 1)
    assert config.agent_config.costs == Costs(per_order=Decimal(1), bps=Decimal(5))
    assert config.date_range.end_date == date(2025, 10, 30)


def test_an_override_can_set_a_value_back_to_none(tmp_path: Path) -> None:
    base = written(tmp_path, arena())
    override = written(tmp_path, {"date_range": {"end_date": None}}, "override.json")
    assert ArenaConfig.load(base, override).date_range.end_date is None


def test_relative_paths_are_seen_from_the_file_that_states_them(tmp_path: Path) -> None:
    written(tmp_path, ["AAPL", "MSFT"], "base/symbols.json")
    written(tmp_path, "Trade well.", "mine/prompt.txt")
    base = written(
        tmp_path,
        arena(
            agent_config={"stock_symbols": "symbols.json"},
            market={"source": "merged_jsonl", "path": "../prices/merged.jsonl"},
        ),
        "base/arena.json",
    )
    override = written(tmp_path, {"agent_config": {"prompt_template": "prompt.txt"}}, "mine/override.json")
    config = ArenaConfig.load(base, override)
    assert config.agent_config.stock_symbols == ("AAPL", "MSFT")
    assert config.market.path == tmp_path / "prices" / "merged.jsonl"
    assert config.agent_config.prompt_template == tmp_path / "mine" / "prompt.txt"


def test_an_absolute_path_stays_as_it_is(tmp_path: Path) -> None:
    prices = tmp_path / "elsewhere" / "merged.jsonl"
    config = loaded(tmp_path, market={"source": "merged_jsonl", "path": str(prices)})
    assert config.market.path == prices


def test_the_symbol_list_that_an_override_replaces_need_not_exist(tmp_path: Path) -> None:
    base = written(tmp_path, arena(agent_config={"stock_symbols": "gone.json"}))
    override = written(tmp_path, {"agent_config": {"stock_symbols": ["AAPL"]}}, "override.json")
    assert ArenaConfig.load(base, override).agent_config.stock_symbols == ("AAPL",)


# --- what may be printed ---


def test_params_are_kept_out_of_every_print_of_the_config(tmp_path: Path) -> None:
    config = loaded(tmp_path, models=[{**GPT, "params": {"user": PASTED_KEY, "max_tokens": 5}}])
    assert config.models[0].params == {"user": PASTED_KEY, "max_tokens": 5}
    assert PASTED_KEY not in repr(config) + str(config) + repr(explain(config))
    assert ("models.gpt-5", "params: max_tokens user") in [
        (name, told.rpartition(", ")[2]) for name, told in explain(config)
    ]


def test_the_explanation_names_every_setting_that_holds(tmp_path: Path) -> None:
    rows = dict(
        explain(
            loaded(
                tmp_path,
                models=[{**GPT, "openai_api_key": "MY_KEY", "openai_base_url": "https://example.org/v1"}, CASH],
                agent_config={"stock_symbols": ["AAPL", "MSFT"], "max_steps": 7, "costs": {"bps": 5}},
            )
        )
    )
    assert rows["date_range"] == "2025-10-02 to 2025-10-30"
    assert rows["models.gpt-5"] == (
        "enabled, openai, openai/gpt-5 (chat) at https://example.org/v1, key from MY_KEY"
    )
    assert rows["models.cash"] == "enabled, cash"
    assert rows["agent_config.max_steps"] == "7"
    assert rows["agent_config.stock_symbols"] == "2: AAPL MSFT"
    assert rows["agent_config.costs"] == "per_order 0, per_share 0, bps 5"
    assert rows["market.path"] == "none"


# --- the hash of what can change a session ---


def settings_hash(folder: Path, **sections: Any) -> str:
    return loaded(folder, **sections).settings_hash("gpt-5")


@pytest.mark.parametrize(
    "sections",
    [
        {"models": [{**GPT, "name": "Other name"}]},
        {"models": [{**GPT, "enabled": False}, CASH]},
        {"models": [GPT, CASH]},
        {"models": [{**GPT, "api": "chat"}]},
        {"models": [{**GPT, "price": {"input": 1, "output": 2}}]},
        {"models": [{**GPT, "training_cutoff": "2024-10-01"}]},
        {"agent_config": {"max_concurrent_sessions": 2}},
        {"agent_config": {"initial_cash": 10000.0}},
        {"agent_config": {"initial_cash": "10000.00"}},
        {"agent_config": {"initial_cash": "1E+4"}},
        {"agent_config": {"base_delay": 1}},
        {"date_range": {"init_date": "2025-10-02", "end_date": "2025-11-30"}},
        {"market": {"source": "files", "path": "elsewhere"}},
        {"log_config": {"log_path": "elsewhere"}},
        {"metrics": {"risk_free_rate": 0.05}},
    ],
)
def test_the_hash_stays_where_no_session_of_the_model_can_change(tmp_path: Path, sections: dict[str, Any]) -> None:
    assert settings_hash(tmp_path, **sections) == settings_hash(tmp_path)


@pytest.mark.parametrize(
    "sections",
    [
        {"models": [{**GPT, "basemodel": "openai/gpt-5-mini"}]},
        {"models": [{**GPT, "params": {"temperature": 0}}]},
        {"models": [{**GPT, "api": "responses"}]},
        {"models": [{**GPT, "openai_base_url": "https://example.org/v1"}]},
        {"models": [{**GPT, "trader": "cash"}]},
        {"agent_config": {"max_steps": 31}},
        {"agent_config": {"initial_cash": "10000.000001"}},
        {"agent_config": {"costs": {"bps": 1}}},
        {"agent_config": {"max_tokens": 1000}},
        {"agent_config": {"max_cost_usd": 1}},
        {"agent_config": {"missing_session": "carry"}},
        {"agent_config": {"stock_symbols": ["AAPL"]}},
        {"market": {"benchmark": "QQQ"}},
        {"market": {"delisted": "close"}},
    ],
)
def test_the_hash_changes_with_whatever_can_change_a_session_of_the_model(
    tmp_path: Path, sections: dict[str, Any]
) -> None:
    assert settings_hash(tmp_path, **sections) != settings_hash(tmp_path)


def test_a_price_counts_where_a_budget_in_usd_depends_on_it(tmp_path: Path) -> None:
    budget = {"max_cost_usd_per_run": 1}
    priced = [{**GPT, "price": {"input": 1, "output": 2}}]
    assert settings_hash(tmp_path, models=priced, agent_config=budget) != settings_hash(
        tmp_path, agent_config=budget
    )


def test_the_hash_does_not_depend_on_whether_symbols_are_listed_or_in_a_file(tmp_path: Path) -> None:
    written(tmp_path, ["aapl", "MSFT"], "symbols.json")
    listed = settings_hash(tmp_path, agent_config={"stock_symbols": ["AAPL", "MSFT"]})
    assert settings_hash(tmp_path, agent_config={"stock_symbols": "symbols.json"}) == listed


def test_the_benchmark_does_not_count_where_the_universe_is_listed(tmp_path: Path) -> None:
    listed = {"stock_symbols": ["AAPL", "QQQ"]}
    with_benchmark = settings_hash(tmp_path, agent_config=listed, market={"benchmark": "QQQ"})
    assert with_benchmark == settings_hash(tmp_path, agent_config=listed)


def test_a_prompt_template_counts_by_its_content_not_by_its_place(tmp_path: Path) -> None:
    written(tmp_path, "Trade well.", "one.txt")
    written(tmp_path, "Trade well.", "folder/two.txt")
    other = written(tmp_path, "Trade badly.", "three.txt")
    first = settings_hash(tmp_path, agent_config={"prompt_template": "one.txt"})
    assert first == settings_hash(tmp_path, agent_config={"prompt_template": "folder/two.txt"})
    assert first != settings_hash(tmp_path, agent_config={"prompt_template": "three.txt"})
    assert first != settings_hash(tmp_path)
    config = loaded(tmp_path, agent_config={"prompt_template": "three.txt"})
    other.unlink()
    with pytest.raises(ConfigError, match=re.escape("agent_config.prompt_template: ")):
        config.settings_hash("gpt-5")


def test_the_hash_is_a_sha256_and_the_same_in_every_process(tmp_path: Path) -> None:
    path = written(tmp_path, arena())
    program = (
        "import sys; from pathlib import Path; from aitrader_pipeline.config import ArenaConfig; "
        "sys.stdout.write(ArenaConfig.load(Path(sys.argv[1])).settings_hash('gpt-5'))"
    )
    told = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True, cwd=PROJECT_ROOT
    ).stdout
    assert re.fullmatch(r"[0-9a-f]{64}", told)
    assert told == ArenaConfig.load(path).settings_hash("gpt-5")


def test_the_hash_of_an_unknown_model_is_an_error_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'gpt5' is not a known model; did you mean 'gpt-5'"):
        loaded(tmp_path).settings_hash("gpt5")


# --- the environment ---


def test_without_environment_the_sample_arena_keeps_its_state_in_the_project() -> None:
    settings = load_settings({})
    assert settings.config_path == CONFIGS / "default_config.json"
    assert settings.override_path is None
    assert settings.home == PROJECT_ROOT / "data"
    assert settings.records_dir == PROJECT_ROOT / "data" / "records"
    assert settings.mart_path == PROJECT_ROOT / "data" / "aitrader.duckdb"
    assert settings.config.market.source == "sample"


def test_the_environment_chooses_config_override_and_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, arena())
    override = written(tmp_path, {"agent_config": {"max_steps": 3}}, "override.json")
    monkeypatch.chdir(tmp_path)
    settings = load_settings(
        {
            "AITRADER_CONFIG": "arena.json",
            "AITRADER_CONFIG_OVERRIDE": "override.json",
            "AITRADER_HOME": "state",
        }
    )
    assert (settings.config_path, settings.override_path) == (path, override)
    assert settings.config.agent_config.max_steps == 3
    assert settings.home == tmp_path / "state"


def test_an_empty_variable_is_as_good_as_none() -> None:
    empty = {"AITRADER_CONFIG": "", "AITRADER_CONFIG_OVERRIDE": " ", "AITRADER_HOME": ""}
    assert load_settings(empty) == load_settings({})


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, arena())
    with pytest.raises(ArenaError, match=r"AITRADER_HOME: .* is not a folder"):
        load_settings({"AITRADER_HOME": str(path)})


def test_a_dotenv_file_is_read_and_what_is_set_already_wins(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OPENAI_API_KEY=from-file\nJINA_API_KEY=from-file\n", encoding="utf-8")
    program = (
        "import os, sys; from aitrader_pipeline.config import read_dotenv; read_dotenv(); "
        "sys.stdout.write(os.environ['OPENAI_API_KEY'] + ' ' + os.environ['JINA_API_KEY'])"
    )
    environ = {key: value for key, value in os.environ.items() if key != "JINA_API_KEY"}
    environ |= {"OPENAI_API_KEY": "from-shell", "PYTHONPATH": str(PROJECT_ROOT)}
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path, env=environ
    ).stdout
    assert told == "from-shell from-file"


# --- the reference and the program agree ---


def fields_of(model: type[BaseModel], prefix: str) -> dict[str, str]:
    """Every leaf field's path and its default as the reference writes it."""
    rows: dict[str, str] = {}
    for name, field in model.model_fields.items():
        path = f"{prefix}{name}"
        sections = [kind for kind in (field.annotation, *_arguments(field.annotation)) if _is_section(kind)]
        if sections:
            origin = get_origin(field.annotation)
            inner = "[]" if origin is tuple else ".name" if origin is dict else ""
            rows |= fields_of(sections[0], f"{path}{inner}.")
        elif field.is_required():
            rows[path] = "required"
        else:
            rows[path] = f"`{json.dumps(field.default, default=int)}`"
    return rows


def _arguments(annotation: object) -> tuple[Any, ...]:
    return tuple(getattr(annotation, "__args__", ()))


def _is_section(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def test_the_reference_lists_every_field_with_its_default() -> None:
    table_row = re.compile(r"^\| `(agent_type|[a-z_]+(?:\[\])?\.[a-z_.]+)` \| (.+?) \|", re.MULTILINE)
    text = REFERENCE.read_text(encoding="utf-8")
    assert dict(table_row.findall(text)) == fields_of(ArenaConfig, "")


def test_every_example_of_the_reference_loads_over_the_default_config(tmp_path: Path) -> None:
    examples = re.findall(r"```json\n(.+?)```", REFERENCE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) >= 3
    for number, example in enumerate(examples):
        override = written(tmp_path, example, f"example-{number}.json")
        ArenaConfig.load(CONFIGS / "default_config.json", override)


def test_the_reference_names_every_trader_source_and_variable() -> None:
    text = REFERENCE.read_text(encoding="utf-8")
    variables = ("AITRADER_CONFIG", "AITRADER_CONFIG_OVERRIDE", "AITRADER_HOME", "OPENAI_API_BASE")
    keys = ("OPENAI_API_KEY", "ALPHAADVANTAGE_API_KEY", "JINA_API_KEY")
    for name in (*TRADERS, *SOURCES, *variables, *keys):
        assert f"`{name}`" in text, name


def test_the_default_of_a_session_is_the_one_the_specification_gives() -> None:
    agent = AgentConfig()
    assert (agent.max_steps, agent.max_retries, agent.base_delay) == (30, 3, 1.0)
    assert (agent.initial_cash, agent.missing_session, agent.stock_symbols) == (Decimal(10000), "block", None)
