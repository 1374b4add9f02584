"""Decisions: every order with what was said for it, and the confidence that was stated."""

from pathlib import Path

import pytest

from aitrader_pipeline.trading.decisions import Decision, decisions
from aitrader_pipeline_tests.markets import FLAT, OCT_02, baseline, finished, model, new_arena
from aitrader_pipeline_tests.openai_server import FINISH, Call, OpenAIServer, buy, call, says, sell

M = "model-a"
BOUGHT = "I like AAPL."


def decided(folder: Path, endpoint: OpenAIServer, *turns: tuple[str, tuple[Call, ...]]) -> list[Decision]:
    endpoint.script(M, *(says(text, *calls) for text, calls in turns), says(FINISH))
    (record,) = finished(new_arena(folder, [model(M, endpoint.base_url)], FLAT), M, OCT_02)
    return list(decisions(record))


def test_every_order_is_there_in_its_order_refused_ones_too(tmp_path: Path, endpoint: OpenAIServer) -> None:
    found = decided(tmp_path, endpoint, (BOUGHT, (buy("AAPL", 2), buy("AAPL", 1_000_000), sell("AAPL", 1))))
    assert [(d.order.type, str(d.order.amount), d.executed) for d in found] == [
        ("buy", "2", True),
        ("buy", "1000000", False),
        ("sell", "1", True),
    ]
    assert {decision.reasoning for decision in found} == {BOUGHT}


def test_an_order_without_words_has_the_newest_words_before_it(tmp_path: Path, endpoint: OpenAIServer) -> None:
    found = decided(
        tmp_path, endpoint, (BOUGHT, (buy("AAPL", 2),)), ("", (buy("AAPL", 1),)), ("Too much.", (sell("AAPL", 1),))
    )
    assert [decision.reasoning for decision in found] == [BOUGHT, BOUGHT, "Too much."]


def test_a_session_without_an_order_has_no_decision(tmp_path: Path, endpoint: OpenAIServer) -> None:
    assert decided(tmp_path, endpoint, ("I wait. Confidence: 90%", ())) == []


STATED = {
    "Confidence: 80": 80,
    "confidence: 80%": 80,
    "Confidence level = 0.8": 80,
    "**Confidence:** 75%": 75,
    "with a confidence of 7/10": 70,
    "confidence score is 65/100": 65,
    "I am 60% confident in it": 60,
    "confidence: 1": 100,
    "Confidence: 0": 0,
    "confidence: 180": None,
    "Investor confidence is low.": None,
    "Confidence: 80 for AAPL, confidence: 40 for MSFT": None,
    "Confidence: 80. As I said, confidence 80.": 80,
    "No figure here.": None,
}


@pytest.mark.parametrize(("text", "confidence"), STATED.items(), ids=STATED)
def test_a_confidence_is_what_the_text_states_of_it_and_nothing_else(
    text: str, confidence: float | None, tmp_path: Path, endpoint: OpenAIServer
) -> None:
    (decision,) = decided(tmp_path, endpoint, (text, (buy("AAPL", 2),)))
    assert decision.confidence == confidence


def test_what_an_order_says_of_itself_wins_over_the_text(tmp_path: Path, endpoint: OpenAIServer) -> None:
    orders = (call("buy", symbol="AAPL", amount=1, confidence=55), buy("AAPL", 2))
    first, second = decided(tmp_path, endpoint, ("Confidence: 80", orders))
    assert (first.confidence, second.confidence) == (55, 80)


def test_a_rule_s_orders_are_decisions_too(tmp_path: Path) -> None:
    (record,) = finished(new_arena(tmp_path, [baseline("buy_and_hold")], FLAT), "buy_and_hold", OCT_02)
    (decision,) = decisions(record)
    assert (decision.executed, decision.order.symbol, decision.confidence) == (True, "AAPL", None)
