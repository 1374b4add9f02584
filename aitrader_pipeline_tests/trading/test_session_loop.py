"""The session's loop: what ends it, what is kept of it, and what the price tool shows in it."""

from pathlib import Path

import pytest

from aitrader_pipeline.trading.session import finishes as ends_the_session
from aitrader_pipeline_tests.markets import (
    OCT_02,
    OCT_03,
    OCT_06,
    OCT_07,
    book_of,
    finished,
)
from aitrader_pipeline_tests.model_sessions import M, arena_of, results_of
from aitrader_pipeline_tests.openai_server import (
    FINISH,
    Answer,
    OpenAIServer,
    after,
    buy,
    call,
    finishes,
    says,
    tokens,
)


@pytest.fixture(params=["chat", "responses"])
def endpoint(endpoint: OpenAIServer, request: pytest.FixtureRequest) -> OpenAIServer:
    endpoint.api = request.param
    return endpoint


# --- what ends a session ---


def test_an_answer_without_the_signal_is_asked_once_and_then_the_session_ends(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    endpoint.script(M, *[says("I am still thinking.")] * 3)
    (record,) = finished(arena_of(tmp_path, endpoint), M, OCT_02)
    assert record.end_reason == "no_tool_calls"
    assert len(endpoint.requests) == 2
    assert [m.role for m in record.messages] == ["system", "user", "assistant", "user", "assistant"]
    nudge = endpoint.requests[1].messages[-1]
    assert nudge["role"] == "user"
    assert FINISH in nudge["content"]


def test_a_nudged_model_can_still_trade(tmp_path: Path, endpoint: OpenAIServer) -> None:
    endpoint.script(M, says("Hm."), says("", buy("AAPL", 1)), finishes())
    (record,) = finished(arena_of(tmp_path, endpoint), M, OCT_02)
    assert (record.end_reason, book_of(record)) == ("finished", (9900, {"AAPL": 1}))


def test_a_trade_in_the_same_message_as_the_signal_is_made_first(tmp_path: Path, endpoint: OpenAIServer) -> None:
    endpoint.script(M, says(f"Buying. {FINISH}", buy("AAPL", 5)))
    (record,) = finished(arena_of(tmp_path, endpoint), M, OCT_02)
    assert (record.end_reason, book_of(record)) == ("finished", (9500, {"AAPL": 5}))
    assert len(endpoint.requests) == 1


def test_sixty_tool_rounds_end_at_the_step_budget_and_nothing_is_replayed(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    endpoint.script(M, *[says("", buy("AAPL", 1))] * 60)
    (record,) = finished(arena_of(tmp_path, endpoint), M, OCT_02)
    assert (record.end_reason, len(endpoint.requests)) == ("max_steps", 30)
    assert book_of(record) == (7000, {"AAPL": 30})
    assert [(a.action_id, a.step) for a in record.fills] == [(n, n) for n in range(1, 31)]


def test_the_tool_budget_stops_within_a_message_and_keeps_what_was_traded(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    endpoint.script(M, says("", buy("AAPL", 1)), says("", buy("AAPL", 1), buy("AAPL", 1), buy("AAPL", 1)))
    (record,) = finished(arena_of(tmp_path, endpoint, max_tool_calls=3), M, OCT_02)
    assert (record.end_reason, book_of(record)) == ("tool_budget", (9700, {"AAPL": 3}))
    assert [(use.name, use.calls) for use in record.tools] == [("buy", 3)]


def test_the_token_budget_ends_the_session_before_the_next_call(tmp_path: Path, endpoint: OpenAIServer) -> None:
    endpoint.script(M, *[says("", buy("AAPL", 1), usage=tokens(100, 20))] * 9)
    (record,) = finished(arena_of(tmp_path, endpoint, max_tokens=240), M, OCT_02)
    assert (record.end_reason, len(endpoint.requests)) == ("token_budget", 2)
    assert book_of(record) == (9800, {"AAPL": 2})


def test_a_model_that_outlasts_the_time_budget_keeps_what_it_traded(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    endpoint.script(M, says("", buy("AAPL", 5)), after(20, says("", buy("AAPL", 5))))
    (record,) = finished(arena_of(tmp_path, endpoint, time_limit_seconds=0.5), M, OCT_02)
    assert (record.end_reason, book_of(record)) == ("time_budget", (9500, {"AAPL": 5}))
    assert (record.finished_at - record.started_at).total_seconds() < 5
    assert len(record.calls) == 1


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        (f"All done. {FINISH}", True),
        (f"All done.{FINISH}\n\n ", True),
        (f"Summary:\n  {FINISH}  \nSome words after it.", True),
        (FINISH, True),
        (f"I will say {FINISH} when I am done.", False),
        (f"{FINISH} is what I say at the end.", False),
        (f"Not yet {FINISH}\nbut soon.", False),
        ("FINISH_SIGNAL", False),
        ("", False),
    ],
)
def test_only_the_signal_at_the_end_or_alone_on_a_line_ends_the_session(text: str, ends: bool) -> None:
    assert ends_the_session(text) is ends


def test_a_mention_of_the_signal_in_a_sentence_does_not_end_the_session(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    endpoint.script(
        M, says(f"I say {FINISH} later; first I buy.", buy("AAPL", 1)), says("", buy("MSFT", 1)), finishes()
    )
    (record,) = finished(arena_of(tmp_path, endpoint), M, OCT_02)
    assert book_of(record) == (9700, {"AAPL": 1, "MSFT": 1})


# --- what is kept ---


def test_the_record_keeps_the_transcript_and_what_each_tool_was_given_and_gave(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    prices = call("get_price_local", symbol="AAPL", date=OCT_02)
    answers: list[Answer] = [says("Looking.", prices, buy("AAPL", 1)), says("", buy("AAPL", 1)), finishes("Bye.")]
    endpoint.script(M, *answers)
    (record,) = finished(arena_of(tmp_path, endpoint), M, OCT_02)
    kept = [m for m in record.messages if m.role != "tool"]
    assert [(m.role, m.step) for m in kept] == [
        ("system", 0),
        ("user", 0),
        ("assistant", 1),
        ("assistant", 2),
        ("assistant", 3),
    ]
    assert [m.content for m in kept[2:]] == ["Looking.", "", f"Bye. {FINISH}"]
    assert f"update today's ({OCT_02}) positions" in kept[1].content
    tools = [(m.tool_name, m.tool_input, m.step) for m in record.messages if m.role == "tool"]
    order = {"symbol": "AAPL", "amount": 1}
    assert tools == [
        ("get_price_local", {"symbol": "AAPL", "date": OCT_02}, 1),
        ("buy", order, 1),
        ("buy", order, 2),
    ]
    assert {(use.name, use.calls, use.errors) for use in record.tools} == {
        ("buy", 2, 0),
        ("get_price_local", 1, 0),
    }
    assert [(m.role, m.content) for m in record.messages[:-1]] == [
        (sent["role"], sent["content"]) for sent in endpoint.requests[-1].messages
    ]


def test_a_day_without_a_trade_is_a_record_without_actions(tmp_path: Path, endpoint: OpenAIServer) -> None:
    endpoint.script(M, finishes("Holding."))
    (record,) = finished(arena_of(tmp_path, endpoint), M, OCT_02)
    assert (record.actions, record.refusals, book_of(record)) == ((), (), (10000, {}))
    assert (record.session_number, record.opened_from, record.launch) == (1, None, "launch-1")


def test_two_runs_of_a_session_have_the_same_essence(tmp_path: Path, endpoint: OpenAIServer) -> None:
    arena = arena_of(tmp_path, endpoint)
    endpoint.respond(M, lambda _: says(FINISH, buy("AAPL", 3)))
    (first,) = finished(arena, M, OCT_02, launch="one")
    (second,) = finished(arena, M, OCT_02, launch="two")
    endpoint.respond(M, lambda _: says(FINISH, buy("AAPL", 4)))
    (third,) = finished(arena, M, OCT_02, launch="three")
    assert first.essence() == second.essence() != third.essence()
    assert first.to_json() != second.to_json()


# --- what the price tool shows ---


def test_the_price_tool_shows_today_s_open_alone_and_of_tomorrow_nothing(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    dates = (OCT_03, OCT_06, OCT_07)
    asked = [call("get_price_local", symbol="NVDA", date=date) for date in dates]
    endpoint.script(M, finishes(), finishes(), says("", *asked), finishes())
    finished(arena_of(tmp_path, endpoint), M, [OCT_02, OCT_03, OCT_06])
    past, today, tomorrow = results_of(endpoint)
    assert past == {
        "symbol": "NVDA",
        "date": OCT_03,
        "open": 53.5,
        "high": 54,
        "low": 53.5,
        "close": 54,
        "volume": 1000,
    }
    assert today == {"symbol": "NVDA", "date": OCT_06, "open": 48.25}
    assert tomorrow["error"] == "not_known_yet"
    assert not [later for later in (OCT_07, "60", "61") if later in tomorrow["message"]]
    assert sorted(tomorrow) == ["error", "message"]
