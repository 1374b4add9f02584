"""Two hundred sessions against an endpoint of which a quarter of the answers go wrong, on both APIs."""

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal

import pytest

from aitrader_pipeline.errors import SessionError
from aitrader_pipeline.trading.arena import Arena
from aitrader_pipeline.trading.chains import Outcome
from aitrader_pipeline.trading.fake_openai.models import Faults, small_buyer
from aitrader_pipeline.trading.record import SessionRecord
from aitrader_pipeline_tests.markets import (
    GOLDEN,
    GOLDEN_DAYS,
    KEY,
    assert_whole_chain,
    model,
    new_arena,
    open_arena,
    run,
)
from aitrader_pipeline_tests.openai_server import Answer, Received, openai_server

MODELS = tuple(f"model-{number:02}" for number in range(50))
FAULTS = "429=0.1,500=0.05,timeout=0.05,cut=0.05,garbage=0.02"
MOST_ROUNDS = 20


@dataclass
class Storm:
    """What the launches came to, until every session had a record, and what the endpoint was asked."""

    arena: Arena
    rounds: list[Outcome]
    asked: int
    answered: int

    @property
    def records(self) -> list[SessionRecord]:
        return [record for name in MODELS for record in assert_whole_chain(self.arena, name, GOLDEN_DAYS)]


@pytest.fixture(scope="module")
def storm(tmp_path_factory: pytest.TempPathFactory) -> Storm:
    folder = tmp_path_factory.mktemp("storm")
    answered = Counter[str]()

    def buyer(received: Received) -> Answer:
        answered[received.model] += 1
        return small_buyer(received)

    with openai_server() as endpoint:
        faulty = Faults.parsed(FAULTS, seed=4).upon(buyer)
        for name in MODELS:
            endpoint.respond(name, faulty)
        apis = ("chat", "responses")
        entries = [model(name, endpoint.base_url, api=apis[i % 2]) for i, name in enumerate(MODELS)]
        # Few retries, so that some of the sessions fail.
        limits = {"base_delay": 0.005, "call_timeout_seconds": 0.4, "max_concurrent_sessions": 25}
        arena = new_arena(folder, entries, GOLDEN, max_retries=2, **limits)
        rounds = [run(arena, MODELS, GOLDEN_DAYS)]
        while rounds[-1].failures and len(rounds) < MOST_ROUNDS:
            # As a process of its own has it.
            arena = open_arena(folder)
            rounds.append(run(arena, MODELS, GOLDEN_DAYS, launch=f"launch-{len(rounds) + 1}", keep_finished=True))
        return Storm(arena, rounds, len(endpoint.requests), answered.total())


def test_every_session_completes_or_fails_cleanly_and_the_next_launch_does_what_is_missing(storm: Storm) -> None:
    first, *_, last = storm.rounds
    assert len(first.done) > 100
    assert first.failures
    assert not last.failures
    errors = [failure.error for outcome in storm.rounds for failure in outcome.failures]
    assert {type(error) for error in errors} == {SessionError}
    assert all("the endpoint did not answer after 3 attempts: " in str(e) for e in errors if "model-" in str(e))
    assert not [error for error in errors if KEY in str(error)]
    assert len(storm.records) == len(MODELS) * len(GOLDEN_DAYS) == 200


def test_the_storm_was_one(storm: Storm) -> None:
    assert 0.6 < storm.answered / storm.asked < 0.85


def test_no_trade_is_made_twice_and_each_was_ordered(storm: Storm) -> None:
    for record in storm.records:
        bought = [m.tool_input for m in record.messages if m.tool_name == "buy" and not m.is_error]
        assert [{"symbol": a.symbol, "amount": a.amount} for a in record.actions] == bought
        assert len(bought) == 1
        assert [m.tool_name for m in record.messages if m.role == "tool"] == ["get_price_local", "buy"]
        assert len(record.calls) == 3


def test_the_books_balance(storm: Storm) -> None:
    for record in storm.records:
        paid = sum((a.price * a.amount for a in record.fills), Decimal(0))
        assert record.start.cash - paid == record.end.cash
        shares = Counter(record.start.shares)
        shares.update({a.symbol: a.amount for a in record.actions})
        assert shares == record.end.shares
