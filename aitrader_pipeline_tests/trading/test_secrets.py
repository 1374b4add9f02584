"""Secrets: an endpoint, a model, a search and a tool server that repeat their keys leave none of them anywhere."""

from pathlib import Path

import pytest

from aitrader_pipeline_tests.arena_homes import ArenaHome, priced_arena
from aitrader_pipeline_tests.markets import FLAT, KEY, KEY_VARIABLE, OCT_03, model
from aitrader_pipeline_tests.openai_server import FINISH, Answer, OpenAIServer, Received, buy, fails, says

TALKATIVE, REFUSED = "talkative", "refused"


def repeats(received: Received) -> Answer:
    """The key in a text, in an order's arguments, and in the reason that is kept for the next turn."""
    if received.results():
        return says(f"{FINISH} {KEY} {FINISH}", extra={"reasoning_content": f"I know {received.authorization}"})
    return says(f"Using {KEY}", buy(KEY, 1), buy("AAPL", 1))


@pytest.mark.parametrize("api", ["chat", pytest.param("responses", marks=pytest.mark.slow)])
def test_no_file_of_an_arena_holds_a_key_that_is_repeated_everywhere(
    api: str, tmp_path: Path, endpoint: OpenAIServer
) -> None:
    endpoint.respond(TALKATIVE, repeats)
    endpoint.respond(REFUSED, lambda _: fails(401, f"the key {KEY} is wrong", www_authenticate=KEY))
    roster = [model(name, endpoint.base_url, api=api) for name in (TALKATIVE, REFUSED)]
    plain = priced_arena(tmp_path, roster, FLAT)
    arena = ArenaHome(plain.folder, {**plain.environ, KEY_VARIABLE: KEY})
    answer = arena.aitrader("run", "--end", OCT_03)
    assert answer.status == 1
    shown = [answer.out, answer.err]
    shown += [arena.aitrader(*words).out for words in (("jobs",), ("status",), ("leaderboard",), ("doctor",))]
    shown.append(arena.ok("results", "--date", OCT_03, "--detail", "full", "--format", "json").out)
    assert [text for text in shown if KEY in text] == []
    files = [path for path in arena.home.rglob("*") if path.is_file()]
    assert len(files) > 20
    assert [path.name for path in files if KEY.encode() in path.read_bytes()] == []
    record = next(iter(arena.all_records().values()))
    assert any("[key]" in message.content for message in record.messages)
