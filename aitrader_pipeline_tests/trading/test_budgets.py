"""Budgets in USD: no call is made that could pass one, whatever an endpoint does, and no attempt is forgotten."""

import json
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from aitrader_pipeline.config import PROJECT_ROOT
from aitrader_pipeline.errors import ConfigError, SessionError
from aitrader_pipeline.trading.arena import Arena
from aitrader_pipeline.trading.spending import LEAST_OUTPUT, USUAL_OUTPUT
from aitrader_pipeline_tests.arena_homes import ArenaHome, clean_environment, priced_arena, reconfigure
from aitrader_pipeline_tests.markets import (
    ENVIRON,
    FLAT,
    KEY,
    KEY_VARIABLE,
    OCT_02,
    OCT_03,
    book_of,
    failure,
    finished,
    model,
    new_arena,
    open_arena,
    run,
    stored,
)
from aitrader_pipeline_tests.model_sessions import M, arena_of
from aitrader_pipeline_tests.openai_server import (
    Answer,
    Api,
    OpenAIServer,
    Received,
    after,
    buy,
    fails,
    finishes,
    hangs_up,
    says,
    tokens,
)

# A dollar for a million tokens read, ten for a million written: a usual call may write for 0.08192 USD.
PRICE = {"input": 1, "output": 10}
# A model whose calls may write a thousand tokens, and so cost a little more than a cent.
SHORT = {"price": PRICE, "params": {"max_completion_tokens": 1000}}
LIMIT_NAMES = ("max_tokens", "max_completion_tokens", "max_output_tokens")


def priced(folder: Path, endpoint: OpenAIServer, **agent_config: Any) -> Arena:
    return arena_of(folder, endpoint, FLAT, entry={"price": PRICE}, **agent_config)


def cost(read: int, written: int) -> float:
    return (read * 1 + written * 10) / 1e6


def buys(read: int = 1000, written: int = 100) -> Answer:
    return says("", buy("AAPL", 1), usage=tokens(read, written))


def limits(request: Received) -> list[int]:
    """The limits of its output that a request states."""
    return [request.body[name] for name in LIMIT_NAMES if name in request.body]


class Greedy:
    """A model that reads a token a byte, writes all that it may, and keeps the bill."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.bill: list[float] = []
        self._seconds = seconds

    def __call__(self, request: Received) -> Answer:
        read = len(json.dumps(request.body, ensure_ascii=False).encode())
        (written,) = limits(request)
        self.bill.append(cost(read, written))
        return after(self._seconds, says("", buy("AAPL", 1), usage=tokens(read, written)))


def spent(arena: Arena) -> list[dict[str, Any]]:
    return arena.journal.by_model()


@pytest.fixture(params=["chat", "responses"])
def either(request: pytest.FixtureRequest, endpoint: OpenAIServer) -> OpenAIServer:
    """The endpoint, spoken to over either of its interfaces."""
    api: Api = request.param
    endpoint.api = api
    return endpoint


# --- a session ---


def test_the_budget_of_a_session_ends_it_and_what_was_traded_stands(tmp_path: Path, either: OpenAIServer) -> None:
    either.respond(M, lambda _: buys())
    (record,) = finished(priced(tmp_path, either, max_cost_usd=0.025), M, OCT_02)
    assert record.end_reason == "cost_budget"
    assert [call.cost_usd for call in record.calls] == [pytest.approx(0.002)] * len(record.calls)
    assert book_of(record) == (10_000 - 100 * len(record.calls), {"AAPL": len(record.calls)})
    assert len(record.calls) == len(either.requests) > 1


@pytest.mark.parametrize("usd", [0.03, 0.0457, 0.1, 0.31, 1.0])
def test_even_a_model_that_writes_all_it_may_never_passes_the_budget(
    tmp_path: Path, either: OpenAIServer, usd: float
) -> None:
    greedy = Greedy()
    either.respond(M, greedy)
    (record,) = finished(priced(tmp_path, either, max_cost_usd=usd, max_steps=100), M, OCT_02)
    assert record.end_reason == "cost_budget"
    assert sum(greedy.bill) <= usd
    # It is spent, and not merely kept: what is left would not buy a call.
    assert sum(greedy.bill) > usd - cost(60_000, LEAST_OUTPUT)


def test_what_the_tools_answered_since_the_last_call_counts_before_it_is_read(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    bill: list[float] = []

    def answer(request: Received) -> Answer:
        read = len(json.dumps(request.body, ensure_ascii=False).encode())
        # Terse at first; then it writes all that it may, right after it was told a lot.
        written = limits(request)[0] if bill else 1
        bill.append(cost(read, written))
        return says("", *[buy("AAPL", 1)] * 20, usage=tokens(read, written))

    endpoint.respond(M, answer)
    (record,) = finished(priced(tmp_path, endpoint, max_cost_usd=0.05), M, OCT_02)
    assert (record.end_reason, len(bill)) == ("cost_budget", 2)
    assert sum(bill) <= 0.05


def test_a_call_may_write_what_the_rest_buys_and_no_more_than_is_usual(
    tmp_path: Path, either: OpenAIServer
) -> None:
    either.respond(M, lambda request: buys(5000, min(2500, *limits(request))))
    arena = priced(tmp_path, either, max_cost_usd=0.2, max_steps=100)
    (record,) = finished(arena, M, OCT_02)
    allowed = [limits(request)[0] for request in either.requests]
    assert allowed[0] == USUAL_OUTPUT
    assert LEAST_OUTPUT <= allowed[-1] < USUAL_OUTPUT
    assert sum(call.cost_usd or 0 for call in record.calls) <= 0.2


def test_a_limit_of_the_models_own_stays_as_it_is(tmp_path: Path, endpoint: OpenAIServer) -> None:
    endpoint.respond(M, lambda _: buys())
    (record,) = finished(arena_of(tmp_path, endpoint, FLAT, entry=SHORT, max_cost_usd=0.025), M, OCT_02)
    assert [limits(request) for request in endpoint.requests] == [[1000]] * len(record.calls)


def test_without_a_budget_nothing_is_said_of_the_output(tmp_path: Path, either: OpenAIServer) -> None:
    either.script(M, finishes())
    finished(priced(tmp_path, either), M, OCT_02)
    assert limits(either.requests[0]) == []


def test_a_session_without_money_for_its_first_call_fails_and_asks_nobody(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    arena = priced(tmp_path, endpoint, max_cost_usd=0.001)
    error = failure(arena, M, OCT_02)
    assert isinstance(error, SessionError)
    assert "agent_config.max_cost_usd is 0.001 USD, of which 0.001000 are left" in str(error)
    assert (endpoint.requests, spent(arena), arena.records.dates(M)) == ([], [], [])


def test_an_answer_without_usage_counts_as_the_most_that_it_can_have_cost(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    endpoint.respond(M, lambda _: says("", buy("AAPL", 1)))
    (record,) = finished(priced(tmp_path, endpoint, max_cost_usd=0.2, max_steps=100), M, OCT_02)
    assert record.end_reason == "cost_budget"
    assert [call.cost_usd for call in record.calls] == [None] * len(endpoint.requests)
    assert len(endpoint.requests) <= 3


def test_a_model_without_a_price_is_not_seated_under_a_budget_and_a_free_one_is(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    error = failure(arena_of(tmp_path, endpoint, FLAT, max_cost_usd=1), M, OCT_02)
    assert isinstance(error, ConfigError)
    assert "state it as models[].price" in str(error)
    endpoint.script(M, finishes(usage=tokens(10, 10)))
    free = arena_of(tmp_path, endpoint, FLAT, entry={"price": {"input": 0, "output": 0}}, max_cost_usd=1)
    (record,) = finished(free, M, OCT_02)
    assert (record.end_reason, record.calls[0].cost_usd) == ("finished", 0)
    assert limits(endpoint.requests[0]) == []


# --- attempts that came to nothing ---


def test_a_lost_attempt_counts_in_full_and_a_refused_one_costs_nothing(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    arena = priced(tmp_path, endpoint, max_cost_usd=1.0)
    endpoint.script(M, fails(429), fails(500), finishes(usage=tokens(1000, 100)))
    finished(arena, M, OCT_02)
    (refused,) = spent(arena)
    assert (refused["at_most_usd"], refused["cost_usd"]) == (pytest.approx(0.002), pytest.approx(0.002))
    endpoint.script(M, hangs_up(), finishes(usage=tokens(1000, 100)))
    finished(arena, M, OCT_03)
    (both,) = spent(arena)
    assert both["cost_usd"] == pytest.approx(0.004)
    assert both["at_most_usd"] > 0.004 + cost(1000, USUAL_OUTPUT)


def test_there_is_no_further_attempt_that_could_pass_the_budget(tmp_path: Path, endpoint: OpenAIServer) -> None:
    endpoint.script(M, buys(), *[hangs_up()] * 9)
    (record,) = finished(priced(tmp_path, endpoint, max_cost_usd=0.2, max_retries=8), M, OCT_02)
    assert (record.end_reason, len(record.calls), book_of(record)) == ("cost_budget", 1, (9900, {"AAPL": 1}))
    assert len(endpoint.requests) == 3


def test_a_model_that_only_thinks_within_the_rest_of_a_budget_ends_its_day_and_keeps_its_trades(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    endpoint.script(M, buys(5000, 5000), *[says("", usage=tokens(5000, 1200), truncated=True)] * 2)
    (record,) = finished(priced(tmp_path, endpoint, max_cost_usd=0.1, max_retries=0), M, OCT_02)
    assert limits(endpoint.requests[1])[0] < USUAL_OUTPUT
    assert (record.end_reason, book_of(record)) == ("cost_budget", (9900, {"AAPL": 1}))


# --- a model and a session date ---


def test_the_budget_of_a_model_day_holds_over_attempts_that_failed(tmp_path: Path, endpoint: OpenAIServer) -> None:
    arena = arena_of(tmp_path, endpoint, FLAT, entry=SHORT, max_cost_usd_per_model_day=0.04, max_retries=0)
    endpoint.script(M, buys(5000, 1000), fails(500), hangs_up())
    assert "InternalServerError" in str(failure(arena, M, OCT_02, launch="one"))
    assert "APIConnectionError" in str(failure(arena, M, OCT_02, launch="two"))
    error = str(failure(arena, M, OCT_02, launch="three"))
    assert error.startswith("agent_config.max_cost_usd_per_model_day is 0.04 USD")
    assert error.endswith("raise it")
    assert len(endpoint.requests) == 3
    (row,) = spent(arena)
    assert (row["calls"], row["failed_calls"], row["cost_usd"]) == (3, 2, pytest.approx(0.015))
    assert row["at_most_usd"] > 0.015 + cost(0, 1000)
    # Another date has its own.
    endpoint.forget()
    endpoint.respond(M, lambda _: finishes(usage=tokens(10, 10)))
    assert run(priced(tmp_path, endpoint, missing_session="carry"), M, OCT_03).failures == []


# --- a launch ---


def models_behind(endpoint: OpenAIServer, names: list[str]) -> list[dict[str, Any]]:
    return [model(name, endpoint.base_url, price=PRICE) for name in names]


def test_a_launch_whose_money_is_spent_fails_what_it_has_not_begun_and_the_next_one_goes_on(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    arena = new_arena(tmp_path, [model("a", endpoint.base_url, **SHORT)], FLAT, max_cost_usd_per_run=0.05)
    endpoint.respond("a", lambda _: buys(5000, 1000))
    outcome = run(arena, "a", [OCT_02, OCT_03], launch="one")
    (failed,) = outcome.failures
    assert stored(arena, "a", OCT_02).end_reason == "cost_budget"
    assert str(failed).startswith("a on 2025-10-03: agent_config.max_cost_usd_per_run is 0.05 USD")
    assert str(failed).endswith("raise it or launch again")
    endpoint.respond("a", lambda _: finishes(usage=tokens(10, 10)))
    assert run(arena, "a", OCT_03, launch="two").failures == []


def test_models_side_by_side_do_not_pass_the_budget_of_their_launch_together(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    names = [f"model-{number}" for number in range(6)]
    arena = new_arena(tmp_path, models_behind(endpoint, names), FLAT, max_cost_usd_per_run=0.6, max_steps=100)
    greedy = Greedy(0.02)
    for name in names:
        endpoint.respond(name, greedy)
    run(arena, names, OCT_02)
    assert endpoint.most_at_once > 1
    assert sum(greedy.bill) <= 0.6
    assert sum(greedy.bill) > 0.6 - cost(60_000, LEAST_OUTPUT)


@pytest.mark.slow
def test_one_command_has_one_budget_however_its_model_days_are_cut(tmp_path: Path, endpoint: OpenAIServer) -> None:
    roster = [model(name, endpoint.base_url, **SHORT) for name in ("a", "b")]
    plain = priced_arena(tmp_path, roster, FLAT)
    arena = ArenaHome(plain.folder, {**plain.environ, KEY_VARIABLE: KEY})
    greedy = Greedy()
    for name in ("a", "b"):
        endpoint.respond(name, lambda _: finishes(usage=tokens(10, 10)))
    # One of them is a day ahead, so that what is missing is no rectangle and takes two runs.
    arena.ok("run", "--models", "a", "--end", OCT_02)
    reconfigure(arena, agent_config={"max_cost_usd_per_run": 0.2, "max_steps": 100})
    for name in ("a", "b"):
        endpoint.respond(name, greedy)
    arena.aitrader("run", "--end", OCT_03)
    assert len(arena.ok("jobs", "--format", "json").json["jobs"]) > 2
    assert 0.1 < sum(greedy.bill) <= 0.2


def test_a_session_waits_for_the_money_that_others_have_only_set_aside(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    names = [f"model-{number}" for number in range(6)]
    # Enough for one usual call at a time, and for all that are really made.
    arena = new_arena(tmp_path, models_behind(endpoint, names), FLAT, max_cost_usd_per_run=0.15)
    for name in names:
        endpoint.script(name, after(0.02, buys(1000, 10)), after(0.02, finishes(usage=tokens(1000, 10))))
    assert run(arena, names, OCT_02).failures == []
    assert {stored(arena, name, OCT_02).end_reason for name in names} == {"finished"}


# --- crashes and other processes ---


@pytest.fixture
def killed(tmp_path: Path, endpoint: OpenAIServer) -> Arena:
    """An arena in which a process was killed with -9 while its second model call was under way."""
    arena = priced(tmp_path, endpoint, max_cost_usd_per_model_day=0.2)
    endpoint.script(M, buys(), after(60, buys()))
    task = {"folder": str(tmp_path), "models": [M], "days": [OCT_02], "launch": "killed", "owed": []}
    with subprocess.Popen(
        [sys.executable, "-m", "aitrader_pipeline_tests.run_slice"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        cwd=PROJECT_ROOT,
        env=clean_environment(ENVIRON),
        text=True,
    ) as process:
        try:
            assert process.stdin is not None
            process.stdin.write(json.dumps(task) + "\n")
            process.stdin.flush()
            deadline = time.monotonic() + 60
            while len(endpoint.requests) < 2 and time.monotonic() < deadline:
                time.sleep(0.02)
        finally:
            process.kill()
    endpoint.forget()
    return arena


def test_a_call_whose_process_was_killed_counts_in_full(killed: Arena, endpoint: OpenAIServer) -> None:
    (row,) = spent(killed)
    assert (row["calls"], row["failed_calls"], row["cost_usd"]) == (2, 1, pytest.approx(0.002))
    assert row["at_most_usd"] > 0.002 + cost(0, USUAL_OUTPUT)
    greedy = Greedy()
    endpoint.respond(M, greedy)
    finished(killed, M, OCT_02)
    assert 0 < sum(greedy.bill) <= 0.2 - row["at_most_usd"]


def test_a_journal_that_is_no_journal_is_named(tmp_path: Path, endpoint: OpenAIServer) -> None:
    (tmp_path / "spending.sqlite").write_text("no database " * 100, encoding="utf-8")
    error = failure(priced(tmp_path, endpoint), M, OCT_02)
    assert f"cannot open {tmp_path / 'spending.sqlite'}, the journal" in str(error)


def test_the_journal_keeps_numbers_and_names_alone(tmp_path: Path, endpoint: OpenAIServer) -> None:
    endpoint.script(M, says("Buying on a hunch.", buy("AAPL", 1), usage=tokens(10, 10)), finishes())
    arena = priced(tmp_path, endpoint)
    finished(arena, M, OCT_02)
    with sqlite3.connect(arena.journal.path) as con:
        kept = json.dumps(con.execute("SELECT * FROM calls").fetchall())
    con.close()
    assert (M in kept, "hunch" in kept, ENVIRON["TEST_ENDPOINT_KEY"] in kept) == (True, False, False)


def test_the_arena_opens_the_same_journal_again(tmp_path: Path, endpoint: OpenAIServer) -> None:
    endpoint.script(M, finishes(usage=tokens(10, 10)))
    before = priced(tmp_path, endpoint)
    finished(before, M, OCT_02)
    assert spent(open_arena(tmp_path)) == spent(before) != []
