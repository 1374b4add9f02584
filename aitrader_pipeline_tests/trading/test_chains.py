"""Chains of model-days: what a day opens from, who runs when, and what one failure leaves alone."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from aitrader_pipeline.errors import ConfigError, SessionError
from aitrader_pipeline.trading.arena import Arena
from aitrader_pipeline.trading.chains import Cell, Failure, Order, run_order
from aitrader_pipeline.trading.record import RecordRef, SessionRecord
from aitrader_pipeline_tests.markets import (
    FLAT,
    OCT_02,
    OCT_03,
    OCT_06,
    TEN_DAYS,
    Quotes,
    assert_whole_chain,
    baseline,
    book_of,
    cells_of,
    day,
    failure,
    finished,
    model,
    new_arena,
    run,
    stored,
)
from aitrader_pipeline_tests.openai_server import (
    FINISH,
    Answer,
    OpenAIServer,
    Received,
    after,
    buy,
    fails,
    says,
    sell,
)

M, N = "model-a", "model-b"


def buys_one(_: Received) -> Answer:
    return says(FINISH, buy("AAPL", 1))


def arena_of(
    folder: Path, endpoint: OpenAIServer, models: Sequence[str] = (M,), quotes: Quotes = FLAT, **settings: Any
) -> Arena:
    """An arena on flat prices whose models buy one AAPL at 100 a day unless a script says otherwise."""
    for name in models:
        endpoint.respond(name, buys_one)
    return new_arena(folder, [model(name, endpoint.base_url) for name in models], quotes, **settings)


# --- continuity ---


def test_a_session_opens_with_what_the_previous_one_closed_with(tmp_path: Path, endpoint: OpenAIServer) -> None:
    arena = arena_of(tmp_path, endpoint, first="2025-10-13")
    endpoint.script(M, says(FINISH, buy("AAPL", 10)), says(FINISH, buy("AAPL", 5)), says(FINISH, sell("AAPL", 12)))
    finished(arena, M, ["2025-10-13", "2025-10-14"])
    (record,) = finished(arena, M, "2025-10-15", launch="launch-2")
    assert record.start == stored(arena, M, "2025-10-14").end
    assert book_of(record) == (9700, {"AAPL": 3})
    before = stored(arena, M, "2025-10-14")
    assert record.opened_from == RecordRef(date=before.date, launch="launch-1", hash=before.content_hash)


def test_each_model_has_a_portfolio_of_its_own(tmp_path: Path, endpoint: OpenAIServer) -> None:
    arena = arena_of(tmp_path, endpoint, [M, N])
    endpoint.respond(N, lambda _: says(FINISH, buy("AAPL", 2)))
    run(arena, [M, N], TEN_DAYS[:3])
    assert book_of(assert_whole_chain(arena, M, TEN_DAYS[:3])[-1]) == (9700, {"AAPL": 3})
    assert book_of(assert_whole_chain(arena, N, TEN_DAYS[:3])[-1]) == (9400, {"AAPL": 6})


def test_a_missing_session_is_named_and_what_follows_does_not_run(tmp_path: Path, endpoint: OpenAIServer) -> None:
    arena = arena_of(tmp_path, endpoint)
    finished(arena, M, OCT_02)
    outcome = run(arena, M, [OCT_06, "2025-10-07"])
    (failed,) = outcome.failures
    assert isinstance(failed.error, SessionError)
    assert (failed.cell, failed.not_run) == (Cell(day(OCT_06), M), (Cell(day("2025-10-07"), M),))
    assert f"{M} has no session on {OCT_03}, which {OCT_06} opens from: run {OCT_03} first" in str(failed)
    assert str(failed).endswith("(not run because of it: 1 later sessions)")
    assert (outcome.done, len(endpoint.requests)) == ([], 1)


def test_where_the_config_carries_a_gap_the_last_finished_session_counts(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    arena = arena_of(tmp_path, endpoint, missing_session="carry")
    finished(arena, M, OCT_02)
    (record,) = finished(arena, M, "2025-10-07", launch="launch-2")
    assert record.opened_from == stored(arena, M, OCT_02).ref
    assert book_of(record) == (9800, {"AAPL": 2})
    assert record.session_number == 2


def test_carrying_starts_with_the_initial_cash_where_there_is_nothing_to_carry(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    (record,) = finished(arena_of(tmp_path, endpoint, missing_session="carry"), M, OCT_06)
    assert (record.opened_from, record.session_number, record.start.cash) == (None, 1, record.initial_cash)


def test_running_a_finished_date_again_replaces_it_and_the_later_day_still_names_the_old_launch(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    arena = arena_of(tmp_path, endpoint)
    finished(arena, M, [OCT_02, OCT_03, OCT_06])
    earlier, later = stored(arena, M, OCT_03), stored(arena, M, OCT_06)
    endpoint.script(M, says(FINISH, buy("AAPL", 7), buy("AAPL", 8)))
    (again,) = finished(arena, M, OCT_03, launch="launch-2")
    assert arena.records.dates(M) == [day(date) for date in (OCT_02, OCT_03, OCT_06)]
    assert ([a.action_id for a in again.actions], book_of(again)) == ([1, 2], (8400, {"AAPL": 16}))
    assert again.opened_from == stored(arena, M, OCT_02).ref
    assert stored(arena, M, OCT_06) == later
    assert later.opened_from == earlier.ref != again.ref


def test_a_symbol_that_left_the_universe_is_still_valued_and_sold(tmp_path: Path, endpoint: OpenAIServer) -> None:
    quotes: Quotes = {**FLAT, "NVDA": dict.fromkeys(TEN_DAYS, ("50", "52"))}
    finished(arena_of(tmp_path, endpoint, quotes=quotes, stock_symbols=["AAPL", "NVDA"]), M, OCT_02)
    endpoint.script(M, says(FINISH, buy("NVDA", 10)), says(FINISH, sell("NVDA", 4)))
    arena = arena_of(tmp_path, endpoint, quotes=quotes, stock_symbols=["AAPL", "NVDA"])
    finished(arena, M, OCT_03)
    arena = arena_of(tmp_path, endpoint, quotes=quotes, stock_symbols=["AAPL"])
    (record,) = finished(arena, M, OCT_06)
    assert book_of(record) == (9600, {"AAPL": 1, "NVDA": 6})
    assert "value at today's open: 10000\n" in endpoint.requests[-1].messages[0]["content"]


# --- days that cannot be run ---


@pytest.mark.parametrize(
    ("date", "first", "reason"),
    [
        ("2025-10-04", OCT_02, "2025-10-04 is no session of XNAS"),
        ("2025-10-04", "2025-10-04", "2025-10-04 is no session of XNAS"),
        (OCT_02, OCT_06, "2025-10-02 is before the arena's first day 2025-10-06"),
        (OCT_02, "2025-10-04", "2025-10-02 is before the arena's first day 2025-10-04"),
    ],
)
def test_a_day_that_is_no_session_of_the_arena_is_refused(
    tmp_path: Path, endpoint: OpenAIServer, date: str, first: str, reason: str
) -> None:
    error = failure(arena_of(tmp_path, endpoint, first=first), M, date)
    assert isinstance(error, SessionError)
    assert reason in str(error)
    assert endpoint.requests == []


def test_a_session_without_prices_is_refused_and_says_how_far_they_go(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    arena = arena_of(tmp_path, endpoint, quotes={"AAPL": {OCT_02: ("100", "101")}})
    outcome = run(arena, M, [OCT_02, OCT_03])
    assert len(outcome.done) == 1
    reason = f"no prices for {OCT_03} yet; the newest session with prices is {OCT_02}"
    assert str(outcome.failures[0].error) == reason


# --- one failure and the others ---


def absent_key(endpoint: OpenAIServer) -> dict[str, Any]:
    return model(N, endpoint.base_url, openai_api_key="ABSENT_KEY")


def test_a_model_that_cannot_start_is_named_and_the_other_completes(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    endpoint.respond(M, buys_one)
    arena = new_arena(tmp_path, [absent_key(endpoint), model(M, endpoint.base_url)], FLAT)
    told: list[Failure] = []
    outcome = run(arena, [M, N], TEN_DAYS[:3], on_failure=told.append)
    assert_whole_chain(arena, M, TEN_DAYS[:3])
    (failed,) = outcome.failures
    assert told == [failed]
    assert isinstance(failed.error, ConfigError)
    assert str(failed).startswith(f"{N} on {OCT_02}: {N}: the environment variable ABSENT_KEY is not set")
    assert (len(outcome.done), arena.records.dates(N)) == (3, [])


def test_a_model_that_fails_on_its_way_keeps_its_finished_days_and_stops_nobody(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    arena = arena_of(tmp_path, endpoint, [M, N])
    endpoint.respond(N, lambda request: fails(400) if request.date == OCT_06 else buys_one(request))
    outcome = run(arena, [M, N], TEN_DAYS)
    assert_whole_chain(arena, M, TEN_DAYS)
    assert_whole_chain(arena, N, TEN_DAYS[:2])
    (failed,) = outcome.failures
    assert (failed.cell, len(failed.not_run)) == (Cell(day(OCT_06), N), 7)
    endpoint.respond(N, buys_one)
    assert run(arena, N, TEN_DAYS, launch="launch-1").failures == []
    assert_whole_chain(arena, N, TEN_DAYS)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"enabled": False}, f"{N} is switched off in the config"),
        ({"signature": "somebody-else"}, f"{N} is not listed in the config"),
        ({"params": {"lookback": 3}}, f"models[{N}].params.lookback: Extra inputs are not permitted"),
    ],
)
def test_who_cannot_be_seated_is_told_why(
    tmp_path: Path, endpoint: OpenAIServer, entry: dict[str, Any], reason: str
) -> None:
    other = {**baseline("cash"), "signature": N, **entry}
    arena = new_arena(tmp_path, [model(M, endpoint.base_url), other], FLAT)
    error = failure(arena, N, OCT_02)
    assert isinstance(error, ConfigError)
    assert reason in str(error)


# --- who runs when ---


def test_a_model_s_days_run_in_order_and_the_models_side_by_side(tmp_path: Path, endpoint: OpenAIServer) -> None:
    names = [f"model-{letter}" for letter in "abcd"]
    arena = arena_of(tmp_path, endpoint, names)
    for name in names:
        endpoint.respond(name, lambda request: after(0.2, buys_one(request)))
    run(arena, names, TEN_DAYS[:3])
    for name in names:
        assert [request.date for request in endpoint.requests_of(name)] == list(TEN_DAYS[:3])
        assert_whole_chain(arena, name, TEN_DAYS[:3])
    assert endpoint.most_at_once == 4


def test_a_slow_model_delays_no_other(tmp_path: Path, endpoint: OpenAIServer) -> None:
    arena = arena_of(tmp_path, endpoint, [M, N])
    endpoint.respond(N, lambda request: after(0.6, buys_one(request)))
    order: list[str] = []
    run(arena, [M, N], TEN_DAYS[:3], on_record=lambda record: order.append(record.model))
    assert order == [M, M, M, N, N, N]


def test_no_more_sessions_run_at_once_than_the_config_allows(tmp_path: Path, endpoint: OpenAIServer) -> None:
    names = [f"model-{letter}" for letter in "abcd"]
    arena = arena_of(tmp_path, endpoint, names, max_concurrent_sessions=2)
    for name in names:
        endpoint.respond(name, lambda request: after(0.05, buys_one(request)))
    assert len(run(arena, names, TEN_DAYS[:2]).done) == 8
    assert endpoint.most_at_once == 2


def test_each_record_stands_when_it_is_told(tmp_path: Path, endpoint: OpenAIServer) -> None:
    arena = arena_of(tmp_path, endpoint)
    seen: list[bool] = []
    run(arena, M, TEN_DAYS[:3], on_record=lambda record: seen.append(stored(arena, M, str(record.date)) == record))
    assert seen == [True] * 3


def test_catching_up_leaves_finished_days_as_they_are(tmp_path: Path, endpoint: OpenAIServer) -> None:
    arena = arena_of(tmp_path, endpoint)
    finished(arena, M, TEN_DAYS[:2], launch="launch-1")
    before = [arena.records.path(M, day(date)).read_bytes() for date in TEN_DAYS[:2]]
    outcome = run(arena, M, TEN_DAYS[:4], launch="launch-2", keep_finished=True)
    assert [arena.records.path(M, day(date)).read_bytes() for date in TEN_DAYS[:2]] == before
    assert [str(cell.date) for cell in outcome.kept] == list(TEN_DAYS[:2])
    assert len(outcome.done) == 2
    assert len(endpoint.requests) == 4
    assert_whole_chain(arena, M, TEN_DAYS[:4])


def test_a_plain_run_replaces_finished_days(tmp_path: Path, endpoint: OpenAIServer) -> None:
    arena = arena_of(tmp_path, endpoint)
    finished(arena, M, TEN_DAYS[:3], launch="launch-1")
    outcome = run(arena, M, TEN_DAYS[:3], launch="launch-2")
    chain = assert_whole_chain(arena, M, TEN_DAYS[:3])
    assert {record.launch for record in chain} == {"launch-2"}
    assert (len(outcome.done), outcome.kept, len(endpoint.requests)) == (3, [], 6)


def test_the_days_that_the_launch_still_owes_run_first_and_are_told_as_well_but_do_not_count(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    arena = arena_of(tmp_path, endpoint)
    told: list[SessionRecord] = []
    outcome = run(arena, M, TEN_DAYS[2:4], owed=TEN_DAYS, on_record=told.append)
    assert [request.date for request in endpoint.requests] == list(TEN_DAYS[:4])
    assert_whole_chain(arena, M, TEN_DAYS[:4])
    assert [str(record.date) for record in told] == list(TEN_DAYS[:4])
    assert [str(cell.date) for cell in outcome.done] == list(TEN_DAYS[2:4])


def test_a_launch_never_repeats_a_session_that_it_has_written(tmp_path: Path, endpoint: OpenAIServer) -> None:
    arena = arena_of(tmp_path, endpoint)
    run(arena, M, TEN_DAYS[2:4], owed=TEN_DAYS)
    outcome = run(arena, M, TEN_DAYS[:3], owed=TEN_DAYS)
    assert [request.date for request in endpoint.requests] == list(TEN_DAYS[:4])
    assert ([str(record.date) for record in outcome.done], outcome.failures) == (list(TEN_DAYS[:3]), [])


# --- launches that overlap ---


def test_what_another_launch_has_run_since_this_one_was_asked_for_is_not_run_twice(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    arena = arena_of(tmp_path, endpoint)
    asked = dt.datetime.now(dt.UTC)
    finished(arena, M, TEN_DAYS[:3], launch="launch-1")
    outcome = run_order(arena, Order(cells_of(M, TEN_DAYS[:4]), "launch-2", since=asked))
    assert [str(cell.date) for cell in outcome.kept] == list(TEN_DAYS[:3])
    assert [str(cell.date) for cell in outcome.done] == [TEN_DAYS[3]]
    assert len(endpoint.requests) == 4


def test_what_stood_before_it_was_asked_for_is_replaced_and_all_that_follows_with_it(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    arena = arena_of(tmp_path, endpoint)
    finished(arena, M, TEN_DAYS[:1], launch="launch-1")
    asked = dt.datetime.now(dt.UTC)
    finished(arena, M, TEN_DAYS[1:3], launch="launch-1")
    endpoint.script(M, says(FINISH, buy("AAPL", 7)))
    outcome = run_order(arena, Order(cells_of(M, TEN_DAYS[:3]), "launch-2", since=asked))
    assert (len(outcome.done), outcome.kept) == (3, [])
    assert_whole_chain(arena, M, TEN_DAYS[:3])


def test_what_was_run_under_other_settings_is_replaced_however_new_it_is(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    arena = arena_of(tmp_path, endpoint, max_steps=5)
    asked = dt.datetime.now(dt.UTC)
    finished(arena, M, TEN_DAYS[:2], launch="launch-1")
    changed = arena_of(tmp_path, endpoint, max_steps=6)
    outcome = run_order(changed, Order(cells_of(M, TEN_DAYS[:2]), "launch-2", since=asked))
    assert (len(outcome.done), outcome.kept) == (2, [])
