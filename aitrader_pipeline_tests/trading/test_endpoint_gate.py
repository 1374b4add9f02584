"""Limits of an endpoint: they hold for all models and all runs on the machine together."""

import threading
from pathlib import Path

import pytest

from aitrader_pipeline.config import ArenaConfig
from aitrader_pipeline.errors import ConfigError
from aitrader_pipeline_tests.markets import FLAT, TEN_DAYS, model, open_arena, run, write_arena
from aitrader_pipeline_tests.openai_server import FINISH, OpenAIServer, after, says

MODELS = tuple(f"model-{letter}" for letter in "abcd")


def write(folder: Path, endpoint: OpenAIServer, **limits: float) -> None:
    write_arena(folder, [model(name, endpoint.base_url) for name in MODELS], FLAT)
    config = (folder / "config.json").read_text()
    entry = ", ".join(f'"{name}": {value}' for name, value in limits.items())
    listed = f'"endpoints": [{{"openai_base_url": "{endpoint.base_url}", {entry}}}], '
    (folder / "config.json").write_text("{" + listed + config[1:])


def test_runs_at_the_same_time_share_an_endpoint_s_slots(tmp_path: Path, endpoint: OpenAIServer) -> None:
    write(tmp_path, endpoint, max_concurrent_calls=2)
    for name in MODELS:
        endpoint.respond(name, lambda _: after(0.05, says(FINISH)))
    # Two arenas of the same folder, as two runs have them: what they share is the folder alone.
    runs = [
        threading.Thread(target=run, args=(open_arena(tmp_path), names, TEN_DAYS[:3]))
        for names in (MODELS[:2], MODELS[2:])
    ]
    for thread in runs:
        thread.start()
    for thread in runs:
        thread.join()
    assert len(endpoint.requests) == 12
    assert endpoint.most_at_once == 2


def test_without_limits_of_its_own_an_endpoint_takes_the_models_side_by_side(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    write_arena(tmp_path, [model(name, endpoint.base_url) for name in MODELS], FLAT)
    for name in MODELS:
        endpoint.respond(name, lambda _: after(0.05, says(FINISH)))
    run(open_arena(tmp_path), MODELS, TEN_DAYS[:2])
    assert endpoint.most_at_once == 4


def test_calls_a_minute_are_spread_over_it(tmp_path: Path, endpoint: OpenAIServer) -> None:
    write(tmp_path, endpoint, calls_per_minute=1200)
    for name in MODELS:
        endpoint.respond(name, lambda _: says(FINISH))
    run(open_arena(tmp_path), MODELS, TEN_DAYS[:2])
    begun = sorted(request.at for request in endpoint.requests)
    assert len(begun) == 8
    # A twentieth of a second apart, whatever else the machine does.
    assert begun[-1] - begun[0] > 7 * 0.05 - 0.04


def test_an_endpoint_that_is_listed_twice_is_refused(tmp_path: Path) -> None:
    write_arena(tmp_path, [model("m", "http://localhost:1/v1")], FLAT)
    text = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text('{"endpoints": [{}, {"max_concurrent_calls": 3}], ' + text[1:])
    with pytest.raises(ConfigError, match=r"endpoints: given more than once: None"):
        ArenaConfig.load(tmp_path / "config.json")
