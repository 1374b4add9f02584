"""Replay: a slice run again with nobody to ask gives the same records, and another question is refused."""

import json
import re
from pathlib import Path

import pytest

from aitrader_pipeline_tests.arena_homes import ArenaHome, priced_arena, reconfigure
from aitrader_pipeline_tests.markets import FLAT, KEY, KEY_VARIABLE, TEN_DAYS, baseline, cells_of, day, model
from aitrader_pipeline_tests.openai_server import FINISH, Answer, OpenAIServer, Received, buy, openai_server, says

DAYS = TEN_DAYS[:3]
CHAT, RESPONSES = "model-chat", "model-responses"


def trades(received: Received) -> Answer:
    """Two turns a session; an echo of the key, as a careless endpoint sends it."""
    if received.results():
        return says(f"Done, my key is {KEY}. {FINISH}")
    return says(f"Confidence: {len(received.date)}", buy("AAPL", int(received.date[-1]) + 1))


@pytest.fixture
def arena(tmp_path: Path) -> ArenaHome:
    """An arena whose endpoint is gone after its three sessions."""
    with openai_server() as endpoint:
        for name in (CHAT, RESPONSES):
            endpoint.respond(name, trades)
        roster = [
            model(CHAT, endpoint.base_url),
            model(RESPONSES, endpoint.base_url, api="responses"),
            baseline("buy_and_hold"),
        ]
        arena = priced_arena(tmp_path, roster, FLAT, base_delay=0.001)
        ArenaHome(arena.folder, {**arena.environ, KEY_VARIABLE: KEY}).ok("run", "--end", DAYS[-1])
    return arena


def test_without_endpoint_or_key_a_replay_gives_the_same_records_and_tables(arena: ArenaHome) -> None:
    essences, launches, tables = arena.essences(), arena.launches(), arena.tables()
    answer = arena.ok("replay", "--end", DAYS[-1])
    assert "9 of 9 model-days replayed." in answer.said
    assert arena.essences() == essences
    assert arena.tables() == tables
    assert not set(arena.launches().values()) & set(launches.values())


@pytest.mark.slow
def test_records_that_were_lost_are_made_again(arena: ArenaHome) -> None:
    essences = arena.essences()
    for cell in essences:
        arena.records.path(cell.model, cell.date).unlink()
    arena.ok("replay", "--end", DAYS[-1])
    assert arena.essences() == essences


@pytest.mark.slow
def test_a_replay_costs_nothing_again(arena: ArenaHome) -> None:
    journal = (arena.home / "spending.sqlite").read_bytes()
    arena.ok("replay", "--end", DAYS[-1])
    assert (arena.home / "spending.sqlite").read_bytes() == journal


def test_a_changed_prompt_is_refused_with_what_has_changed(arena: ArenaHome) -> None:
    template = arena.folder / "prompt.md.j2"
    template.write_text("Today is {{ date }}.\nYou hold {{ cash }}.\n", encoding="utf-8")
    before = arena.essences()
    reconfigure(arena, agent_config={"prompt_template": str(template)})
    answer = arena.aitrader("replay", "--end", DAYS[0], "--models", CHAT)
    assert answer.status == 1
    assert "replay: model call 1 differs from what was recorded" in answer.said
    added = [line for line in answer.err.splitlines() if line.startswith("+") and not line.startswith("+++")]
    assert ["Today is 2025-10-02." in added[0], added[1].startswith("+You hold 10000.")] == [True, True]
    assert arena.essences() == before


@pytest.mark.slow
def test_other_parameters_are_refused(arena: ArenaHome) -> None:
    config = json.loads((arena.folder / "config.json").read_text())
    config["models"][0]["params"] = {"temperature": 0.5}
    reconfigure(arena, models=config["models"])
    answer = arena.aitrader("replay", "--end", DAYS[0], "--models", CHAT)
    assert answer.status == 1
    assert '+ "temperature": 0.5' in " ".join(answer.err.split())


@pytest.mark.slow
def test_with_other_costs_the_same_decisions_are_replayed_where_differences_are_accepted(arena: ArenaHome) -> None:
    reconfigure(arena, agent_config={"costs": {"per_order": 10}})
    refused = arena.aitrader("replay", "--end", DAYS[-1], "--models", CHAT)
    assert refused.status == 1
    arena.ok("replay", "--end", DAYS[-1], "--models", CHAT, "--accept-differences")
    records = [arena.records.read(CHAT, day(date)) for date in DAYS]
    assert [[a.amount for a in record.actions] for record in records if record] == [[3], [4], [7]]
    assert [a.costs for record in records if record for a in record.fills] == [10, 10, 10]


@pytest.mark.slow
def test_auto_asks_only_for_what_was_never_answered(arena: ArenaHome) -> None:
    with openai_server() as endpoint:
        for name in (CHAT, RESPONSES):
            endpoint.respond(name, trades)
        models = json.loads((arena.folder / "config.json").read_text())["models"]
        for entry in models[:2]:
            entry["openai_base_url"] = endpoint.base_url
        reconfigure(arena, models=models, recordings={"mode": "auto"})
        keyed = ArenaHome(arena.folder, {**arena.environ, KEY_VARIABLE: KEY})
        keyed.ok("run", "--end", TEN_DAYS[3], "--replace")
        assert {request.date for request in endpoint.requests} == {TEN_DAYS[3]}
        assert len(endpoint.requests) == 4
    assert arena.all_records().keys() == cells_of((CHAT, RESPONSES, "buy_and_hold"), TEN_DAYS[:4])


@pytest.mark.slow
def test_no_recording_holds_the_key(arena: ArenaHome) -> None:
    files = [path for path in (arena.home / "recordings").rglob("*") if path.is_file()]
    assert len(files) >= 12
    assert [path for path in files if KEY in path.read_text(encoding="utf-8")] == []
    assert any(re.search(r"my key is \[key\]", path.read_text(encoding="utf-8")) for path in files)


@pytest.mark.slow
def test_switched_off_nothing_is_kept(tmp_path: Path, endpoint: OpenAIServer) -> None:
    endpoint.respond(CHAT, trades)
    arena = priced_arena(tmp_path, [model(CHAT, endpoint.base_url)], FLAT)
    reconfigure(arena, recordings={"mode": "off"})
    keyed = ArenaHome(arena.folder, {**arena.environ, KEY_VARIABLE: KEY})
    keyed.ok("run", "--end", DAYS[0])
    assert not (arena.home / "recordings").exists()
    assert "replay: nothing is recorded of" in keyed.aitrader("replay", "--end", DAYS[0]).said
