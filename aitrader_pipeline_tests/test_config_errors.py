"""What is wrong with a config is said in full: where, and what is right; a pasted key is never shown."""

import json
import re
import traceback
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from aitrader_pipeline.config import SOURCES, TRADERS, ArenaConfig, ModelConfig
from aitrader_pipeline.errors import ConfigError

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


def problems(folder: Path, **sections: Any) -> list[str]:
    """The problem lines of a wrong config, without the heading that names the file."""
    path = written(folder, arena(**sections))
    with pytest.raises(ConfigError) as caught:
        ArenaConfig.load(path)
    heading, *lines = str(caught.value).splitlines()
    count = "1 problem" if len(lines) == 1 else f"{len(lines)} problems"
    assert heading == f"{path}: {count}"
    return lines


# --- errors: the file ---


def test_a_missing_file_names_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "none.json"
    with pytest.raises(ConfigError, match="no such config file; set AITRADER_CONFIG to") as caught:
        ArenaConfig.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    with pytest.raises(ConfigError, match="set AITRADER_CONFIG_OVERRIDE to"):
        ArenaConfig.load(written(tmp_path, arena()), path)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a": 1,\n "b" 2}', "line 2, column 6: not valid JSON: Expecting ':' delimiter"),
        ("", "line 1, column 1: not valid JSON: Expecting value"),
        ('{"a": NaN}', "not valid JSON: NaN is not a finite number"),
        ('{"a": 1e999}', "not valid JSON: 1e999 is not a finite number"),
        ('{"models": [], "models": []}', "not valid JSON: the key 'models' stands twice in one object"),
        ("[" * 100_000, "is nested too deeply"),
        ("[1]", "the config is not an object; it starts with { and ends with }"),
    ],
)
def test_what_is_not_a_json_object_is_refused_with_the_place(tmp_path: Path, text: str, problem: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        ArenaConfig.load(path)
    assert str(caught.value) == f"{path}: {problem}"


def test_a_folder_and_a_file_in_another_encoding_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        ArenaConfig.load(tmp_path)
    latin = tmp_path / "latin.json"
    latin.write_bytes('{"name": "Café"}'.encode("latin-1"))
    with pytest.raises(ConfigError, match=re.escape("is not UTF-8 text (byte 13)")):
        ArenaConfig.load(latin)


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "marked.json"
    path.write_text(json.dumps(arena()), encoding="utf-8-sig")
    assert len(ArenaConfig.load(path).models) == 1


# --- errors: the fields ---


def test_every_problem_of_a_config_is_told_at_once_one_line_each(tmp_path: Path) -> None:
    lines = problems(
        tmp_path,
        date_range={"init_date": "2025-13-01"},
        models=[GPT, {**GPT, "signature": "gpt 5"}, GPT],
        agent_config={"max_steps": 0, "max_retries": -1, "initial_cash": 0},
        market={"source": "files"},
    )
    assert sorted(line.partition(":")[0] for line in lines) == [
        "agent_config.initial_cash",
        "agent_config.max_retries",
        "agent_config.max_steps",
        "date_range.init_date",
        "market.path",
        "models[1].signature",
        "models[2].signature",
    ]


def test_an_error_names_both_files_where_two_were_merged(tmp_path: Path) -> None:
    base = written(tmp_path, arena())
    override = written(tmp_path, {"agent_config": {"max_steps": 0}}, "override.json")
    with pytest.raises(ConfigError) as caught:
        ArenaConfig.load(base, override)
    assert str(caught.value).startswith(f"{base} with {override} over it: 1 problem\n")


@pytest.mark.parametrize(
    ("sections", "line"),
    [
        (
            {"models": [{**GPT, "signature": "gpt 5"}]},
            (
                "models[0].signature: 'gpt 5' is not a signature; "
                "use letters, digits, '.', '_' and '-', such as 'gpt-5'"
            ),
        ),
        (
            {"models": [{**GPT, "signature": "gpt-5\n"}]},
            (
                "models[0].signature: 'gpt-5\\n' is not a signature; "
                "use letters, digits, '.', '_' and '-', such as 'gpt-5'"
            ),
        ),
        (
            {"models": [{**GPT, "signature": "../gpt"}]},
            (
                "models[0].signature: '../gpt' is not a signature; "
                "use letters, digits, '.', '_' and '-', such as 'gpt-5'"
            ),
        ),
        (
            {"models": [{**GPT, "signature": "g" * 101}]},
            "models[0].signature: has 101 characters; use at most 100",
        ),
        (
            {"models": [GPT, CASH, GPT]},
            "models[2].signature: 'gpt-5' is already the signature of models[0]; every model needs its own",
        ),
        (
            {"models": [GPT, {**GPT, "signature": "GPT-5"}]},
            (
                "models[1].signature: 'GPT-5' differs from 'gpt-5' of models[0] in case alone; "
                "they would share a folder on some file systems"
            ),
        ),
        (
            {"models": [{**GPT, "enabled": False}]},
            'models: no model is enabled; set "enabled": true in at least one',
        ),
        ({"models": []}, "models: the list is empty; give at least one model"),
        ({"models": {}}, "models: an object stands where a list in brackets belongs"),
        ({"models": ["gpt-5"]}, "models[0]: text stands where an object in braces belongs"),
        ({"models": [{**GPT, "name": " "}]}, "models[0].name: is empty; give some text"),
        ({"models": [{**GPT, "enabled": "yes"}]}, "models[0].enabled: 'yes' is neither true nor false"),
        (
            {"models": [{"name": "x", "signature": "x"}]},
            "models[0].basemodel: is missing; the trader 'openai' needs the endpoint's name of the model",
        ),
        ({"models": [{"signature": "x", "trader": "cash"}]}, "models[0].name: is missing; it has no default"),
        (
            {"models": [{**CASH, "trader": "buy-and-hold"}]},
            (
                "models[0].trader: 'buy-and-hold' is not a known trader; did you mean 'buy_and_hold'? "
                f"Known: {', '.join(sorted(TRADERS))}; or one of your own, such as 'my_package.traders:Mine'"
            ),
        ),
        (
            {"models": [{**GPT, "api": "completions"}]},
            "models[0].api: 'completions' is not known; use 'chat' or 'responses'",
        ),
        (
            {"models": [{**CASH, "look_back": 3}]},
            (
                "models[0].look_back: is not a known key. Allowed here: name, signature, enabled, trader, "
                "basemodel, openai_base_url, openai_api_key, api, params, price, replicas, training_cutoff"
            ),
        ),
        (
            {"agent_config": {"costs": {"bp": 1}}},
            (
                "agent_config.costs.bp: is not a known key; did you mean 'bps'? "
                "Allowed here: per_order, per_share, bps"
            ),
        ),
        (
            {"modles": []},
            (
                "modles: is not a known key; did you mean 'models'? Allowed here: agent_type, date_range, models, "
                "agent_config, log_config, market, metrics, notifications, endpoints, search, mcp_servers, "
                "recordings"
            ),
        ),
        ({"agent_type": "Other"}, "agent_type: 'Other' is not known; use 'BaseAgent'"),
        ({"agent_config": {"max_steps": 0}}, "agent_config.max_steps: 0 is too small; use 1 or more"),
        ({"agent_config": {"max_steps": 2.5}}, "agent_config.max_steps: 2.5 is not a whole number"),
        ({"agent_config": {"max_steps": "30"}}, "agent_config.max_steps: '30' is not a whole number"),
        ({"agent_config": {"max_steps": True}}, "agent_config.max_steps: true is not a whole number"),
        ({"agent_config": {"max_retries": -1}}, "agent_config.max_retries: -1 is too small; use 0 or more"),
        ({"agent_config": {"base_delay": -0.5}}, "agent_config.base_delay: -0.5 is too small; use 0.0 or more"),
        ({"agent_config": {"base_delay": None}}, "agent_config.base_delay: null is not a number"),
        (
            {"agent_config": {"time_limit_seconds": 0}},
            "agent_config.time_limit_seconds: 0 is too small; use a number above 0.0",
        ),
        (
            {"agent_config": {"initial_cash": 0}},
            "agent_config.initial_cash: 0 is too small; use a number above 0",
        ),
        (
            {"agent_config": {"initial_cash": 1e12}},
            "agent_config.initial_cash: 1000000000000.0 is too large; use a number below 100000000000",
        ),
        (
            {"agent_config": {"initial_cash": "0.0000001"}},
            "agent_config.initial_cash: '0.0000001' has more than 6 decimals",
        ),
        (
            {"agent_config": {"initial_cash": "Infinity"}},
            "agent_config.initial_cash: 'Infinity' is not a finite number",
        ),
        (
            {"agent_config": {"initial_cash": "ten thousand"}},
            "agent_config.initial_cash: 'ten thousand' is not a number",
        ),
        (
            {"agent_config": {"costs": {"per_order": -1}}},
            "agent_config.costs.per_order: -1 is too small; use 0 or more",
        ),
        (
            {"agent_config": {"stock_symbols": []}},
            (
                "agent_config.stock_symbols: the list is empty; "
                "give symbols, or leave it out for all that the source has"
            ),
        ),
        (
            {"agent_config": {"stock_symbols": ["AAPL", "MSFT", "aapl "]}},
            "agent_config.stock_symbols: given more than once: AAPL; each symbol stands once",
        ),
        (
            {"agent_config": {"stock_symbols": ["AAPL MSFT"]}},
            (
                "agent_config.stock_symbols[0]: 'AAPL MSFT' is not a symbol; "
                "use letters, digits, '.' and '-', such as 'AAPL'"
            ),
        ),
        (
            {"agent_config": {"stock_symbols": ["AAPL", 7]}},
            "agent_config.stock_symbols[1]: 7 is not text in quotes",
        ),
        (
            {"agent_config": {"stock_symbols": 7}},
            "agent_config.stock_symbols: a number stands where a list in brackets belongs",
        ),
        (
            {"agent_config": {"prompt_template": ""}},
            "agent_config.prompt_template: is empty; give a path or leave it out",
        ),
        ({"market": "us"}, "market: text stands where an object in braces belongs"),
        (
            {"market": {"source": "merged-jsonl", "path": "x"}},
            (
                "market.source: 'merged-jsonl' is not a known source; did you mean 'merged_jsonl'? "
                f"Known: {', '.join(sorted(SOURCES))}"
            ),
        ),
        (
            {"market": {"source": "merged_jsonl"}},
            "market.path: is missing; the source 'merged_jsonl' needs a file or folder",
        ),
        ({"market": {"path": 7}}, "market.path: 7 is not text in quotes"),
        ({"date_range": {}}, "date_range.init_date: is missing; it has no default"),
        (
            {"date_range": {"init_date": "2025-10-2"}},
            "date_range.init_date: '2025-10-2' is not a date; use YYYY-MM-DD in quotes, such as '2025-10-01'",
        ),
        (
            {"date_range": {"init_date": 20251002}},
            "date_range.init_date: 20251002 is not a date; use YYYY-MM-DD in quotes, such as '2025-10-01'",
        ),
        (
            {"date_range": {"init_date": "2025-02-30"}},
            "date_range.init_date: '2025-02-30' is not a day of the calendar; check month and day",
        ),
        (
            {"date_range": {"init_date": "2025-10-02", "end_date": "2025-10-01"}},
            "date_range.end_date: 2025-10-01 is before init_date 2025-10-02; swap them or leave end_date out",
        ),
        (
            {"models": [{**CASH, "name": "\ud800"}]},
            "the config: nests too deeply, or holds half a character (an escape from \\ud800 to \\udfff)",
        ),
    ],
)
def test_a_wrong_field_is_told_with_its_path_and_what_is_right(
    tmp_path: Path, sections: dict[str, Any], line: str
) -> None:
    (told,) = problems(tmp_path, **sections)
    assert told == line


def test_files_that_a_field_names_must_be_there_and_readable(tmp_path: Path) -> None:
    (line,) = problems(tmp_path, agent_config={"stock_symbols": "gone.json"})
    assert line == (
        f"agent_config.stock_symbols: no such file: {tmp_path / 'gone.json'}; "
        "give a list of symbols or the path of a JSON list of them"
    )
    broken = written(tmp_path, '["AAPL",]', "broken.json")
    (line,) = problems(tmp_path, agent_config={"stock_symbols": "broken.json"})
    assert line.startswith(f"agent_config.stock_symbols: {broken}: line 1, column ")
    unlisted = written(tmp_path, {"AAPL": 1}, "object.json")
    (line,) = problems(tmp_path, agent_config={"stock_symbols": "object.json"})
    assert line == (
        f"agent_config.stock_symbols: {unlisted} is not a JSON list of symbols in quotes, such as ['AAPL', 'MSFT']"
    )
    (line,) = problems(tmp_path, agent_config={"prompt_template": "gone.txt"})
    assert line == (
        f"agent_config.prompt_template: no such file: {tmp_path / 'gone.txt'}; "
        "give the path of a text file or leave it out"
    )


def test_a_very_long_value_is_shown_in_part(tmp_path: Path) -> None:
    (line,) = problems(tmp_path, agent_config={"missing_session": "b" * 500})
    assert line.endswith("…" + " is not known; use 'block' or 'carry'")
    assert len(line) < 150


# --- keys stay secret ---


@pytest.mark.parametrize(
    "entry",
    [
        {"openai_api_key": PASTED_KEY},
        {"openai_api_key": [PASTED_KEY]},
        {"openai_api_key": {"key": PASTED_KEY}},
        {"openai_base_url": PASTED_KEY},
        {"openai_base_url": f"https://user:{PASTED_KEY}@example.org/v1"},
        {"openai_base_url": f"https://example.org/v1?key={PASTED_KEY}"},
        {"openai_base_url": f"https://[{PASTED_KEY}/v1"},
        {"params": PASTED_KEY},
        {"params": [PASTED_KEY]},
        {"params": {"extra_headers": [{"Authorization": f"Bearer {PASTED_KEY}"}]}},
        {"params": {"api_key": PASTED_KEY}},
        {"api_key": PASTED_KEY},
        {"key": {"value": PASTED_KEY}},
    ],
)
def test_a_pasted_key_is_refused_and_never_echoed(tmp_path: Path, entry: dict[str, Any]) -> None:
    path = written(tmp_path, arena(models=[{**GPT, **entry}]))
    with pytest.raises(ConfigError) as caught:
        ArenaConfig.load(path)
    error = caught.value
    assert "models[0]." in str(error)
    assert PASTED_KEY not in "".join(traceback.format_exception(error)) + repr(error)
    # A reporter that walks the chain of errors finds no earlier one that holds the value.
    assert (error.__cause__, error.__context__) == (None, None)


def test_a_pasted_key_in_broken_json_is_not_echoed(tmp_path: Path) -> None:
    path = written(tmp_path, f'{{"openai_api_key": "{PASTED_KEY}" "x"}}')
    with pytest.raises(ConfigError) as caught:
        ArenaConfig.load(path)
    assert PASTED_KEY not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None


def test_a_model_built_in_code_does_not_echo_a_pasted_key_either() -> None:
    with pytest.raises(ValidationError) as caught:
        ModelConfig(**{**GPT, "openai_api_key": PASTED_KEY})
    assert PASTED_KEY not in str(caught.value) + repr(caught.value)


def test_the_refusal_of_a_key_says_where_it_belongs(tmp_path: Path) -> None:
    (line,) = problems(tmp_path, models=[{**GPT, "openai_api_key": PASTED_KEY}])
    assert line == (
        "models[0].openai_api_key: the value (not shown) is not the name of an environment variable; put the "
        "key itself into the environment or a .env file and its variable's name here, such as 'OPENAI_API_KEY'"
    )


def test_a_key_that_is_a_number_is_not_echoed_either(tmp_path: Path) -> None:
    (line,) = problems(tmp_path, models=[{**GPT, "openai_api_key": 1234567890}])
    assert line == "models[0].openai_api_key: the value (not shown) is not text in quotes"


def test_a_key_of_capitals_and_digits_does_not_pass_for_a_name(tmp_path: Path) -> None:
    (line,) = problems(tmp_path, models=[{**GPT, "openai_api_key": "AKIAIOSFODNN7EXAMPLE"}])
    assert "AKIA" not in line
    model = ModelConfig(**{**GPT, "openai_api_key": "OPENROUTER_API_KEY_2"})
    assert model.openai_api_key == "OPENROUTER_API_KEY_2"
