"""Replicas and training cutoffs in a config: who competes, with which seed, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from aitrader_pipeline.config import PROJECT_ROOT, ArenaConfig, explain
from aitrader_pipeline.errors import ConfigError

GPT: dict[str, Any] = {"name": "GPT-5", "signature": "gpt-5", "basemodel": "openai/gpt-5"}
RANDOM: dict[str, Any] = {"name": "Random", "signature": "random", "trader": "random"}
CASH: dict[str, Any] = {"name": "Cash", "signature": "cash", "trader": "cash"}


def loaded(folder: Path, *models: dict[str, Any]) -> ArenaConfig:
    path = folder / "arena.json"
    document = {"date_range": {"init_date": "2025-10-02", "end_date": "2025-10-30"}, "models": models}
    path.write_text(json.dumps(document), encoding="utf-8")
    return ArenaConfig.load(path)


def problems(folder: Path, *models: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(folder, *models)
    return str(caught.value).splitlines()[1:]


def test_a_model_with_replicas_is_that_many_competitors_in_its_place(tmp_path: Path) -> None:
    config = loaded(tmp_path, CASH, {**GPT, "replicas": 3, "enabled": False}, RANDOM)
    assert [(m.signature, m.replica_of, m.enabled) for m in config.models] == [
        ("cash", None, True),
        ("gpt-5.r1", "gpt-5", False),
        ("gpt-5.r2", "gpt-5", False),
        ("gpt-5.r3", "gpt-5", False),
        ("random", None, True),
    ]
    assert config.replicas("gpt-5") == ("gpt-5.r1", "gpt-5.r2", "gpt-5.r3")
    assert config.replicas("gpt-5.r1") == config.replicas("cash") == ()
    first = config.model("gpt-5.r1")
    assert first is not None
    assert (first.name, first.basemodel, first.kind) == ("GPT-5 1", "openai/gpt-5", "model")
    assert config.model("gpt-5") is None


@pytest.mark.parametrize(
    ("entry", "seeds"),
    [
        ({**GPT, "params": {"seed": 7, "temperature": 0}}, [7, 8, 9]),
        ({**GPT, "params": {"temperature": 0}}, [None, None, None]),
        ({**RANDOM, "params": {"seed": 7}}, [7, 8, 9]),
        ({**RANDOM, "params": {"orders": 4}}, [0, 1, 2]),
        (CASH, [None, None, None]),
    ],
)
def test_a_stated_seed_counts_up_and_random_traders_always_have_their_own(
    tmp_path: Path, entry: dict[str, Any], seeds: list[int | None]
) -> None:
    config = loaded(tmp_path, {**entry, "replicas": 3})
    assert [m.params.get("seed") for m in config.models] == seeds
    others = [{key: value for key, value in m.params.items() if key != "seed"} for m in config.models]
    assert others == [{key: value for key, value in entry.get("params", {}).items() if key != "seed"}] * 3


def test_one_replica_is_the_model_itself(tmp_path: Path) -> None:
    assert loaded(tmp_path, {**RANDOM, "replicas": 1}).models == loaded(tmp_path, RANDOM).models


def test_a_cutoff_and_the_number_of_replicas_change_no_session(tmp_path: Path) -> None:
    plain = loaded(tmp_path, GPT).settings_hash("gpt-5")
    assert loaded(tmp_path, {**GPT, "training_cutoff": "2024-10-01"}).settings_hash("gpt-5") == plain
    two, five = (loaded(tmp_path, {**RANDOM, "replicas": k}) for k in (2, 5))
    assert two.settings_hash("random.r2") == five.settings_hash("random.r2")
    assert two.settings_hash("random.r1") != two.settings_hash("random.r2")


def test_the_explanation_has_one_line_for_all_replicas(tmp_path: Path) -> None:
    rows = explain(loaded(tmp_path, {**RANDOM, "replicas": 3}, {**GPT, "training_cutoff": "2024-10-01"}))
    told = dict(row for row in rows if row[0].startswith("models."))
    assert told == {
        "models.random": "enabled, random, 3 replicas, params: seed",
        "models.gpt-5": (
            "enabled, openai, openai/gpt-5 (chat) at the endpoint of OPENAI_API_BASE, key from OPENAI_API_KEY, "
            "trained through 2024-10-01"
        ),
    }


def test_the_full_arena_has_a_cloud_of_twenty_random_traders() -> None:
    config = ArenaConfig.load(PROJECT_ROOT / "configs" / "nasdaq100.json")
    assert len(config.replicas("random")) == 20
    assert [m.params["seed"] for m in config.models if m.trader == "random"] == [*range(7, 27)]


@pytest.mark.parametrize(
    ("models", "line"),
    [
        ([{**GPT, "replicas": 0}], "models[0].replicas: 0 is too small; use 1 or more"),
        ([{**GPT, "replicas": 1001}], "models[0].replicas: 1001 is too large; use 1000 or less"),
        ([{**GPT, "replicas": "3"}], "models[0].replicas: '3' is not a whole number"),
        (
            [{**GPT, "training_cutoff": "2024-10"}],
            "models[0].training_cutoff: '2024-10' is not a date; use YYYY-MM-DD in quotes, such as '2025-10-01'",
        ),
        (
            [{**RANDOM, "replicas": 2, "params": {"seed": "x"}}],
            (
                "models[0].replicas: each replica counts its own seed up from params.seed, "
                "which is not a whole number"
            ),
        ),
        (
            [{**GPT, "replicas": 100, "signature": "g" * 96}],
            (
                f"models[0].replicas: the signature of the last one, '{'g' * 96}.r100', has 101 characters; "
                "use at most 100"
            ),
        ),
        (
            [{**GPT, "replicas": 2}, {**GPT, "signature": "gpt-5.r2"}],
            (
                "models[1].signature: 'gpt-5.r2' is already the signature of a replica of models[0]; "
                "every model needs its own"
            ),
        ),
        (
            [{**GPT, "signature": "GPT-5.r2"}, {**GPT, "replicas": 2}],
            (
                "models[1].replicas: 'gpt-5.r2' differs from 'GPT-5.r2' of models[0] in case alone; "
                "they would share a folder on some file systems"
            ),
        ),
        (
            [{**GPT, "replicas": 2}, GPT],
            "models[1].signature: 'gpt-5' is already the signature of models[0]; every model needs its own",
        ),
        (
            [{**CASH, "replica_of": "gpt-5"}],
            (
                "models[0].replica_of: is not a known key; did you mean 'replicas'? Allowed here: name, "
                "signature, enabled, trader, basemodel, openai_base_url, openai_api_key, api, params, price, "
                "replicas, training_cutoff"
            ),
        ),
    ],
)
def test_what_cannot_be_is_told_at_the_entry_that_says_so(
    tmp_path: Path, models: list[dict[str, Any]], line: str
) -> None:
    assert problems(tmp_path, *models) == [line]
