"""Missed sessions: an arena that goes on is told, once a session, who has not traded it; any other one never."""

import datetime as dt
from itertools import pairwise

import dagster as dg
import pytest

from aitrader_pipeline.automation.backlog import missed_sessions
from aitrader_pipeline.definitions import build_definitions
from aitrader_pipeline.market.calendar import TradingCalendar
from aitrader_pipeline.partitions import axes_of
from aitrader_pipeline_tests.arena_homes import ArenaHome, priced_arena, reconfigure
from aitrader_pipeline_tests.dagster_ticks import sensor_tick, trade
from aitrader_pipeline_tests.markets import Quotes, baseline
from aitrader_pipeline_tests.webhook_server import webhook

CASH, HOLD = "cash", "buy_and_hold"
MODELS = (CASH, HOLD)
SENSOR = "notify_of_missed_sessions"
WEBHOOK = "TEST_WEBHOOK"
NOW = dt.datetime.now(dt.UTC)
TODAY = NOW.date()
CALENDAR = TradingCalendar("XNAS", TODAY - dt.timedelta(days=30), TODAY)
RECENT = CALENDAR.sessions(CALENDAR.first, TODAY)
# The last ones that have been over for the hours of the config.
SESSIONS = [date for date in RECENT if CALENDAR.close_at(date) + dt.timedelta(hours=6) <= NOW][-5:]
DAYS = [date.isoformat() for date in SESSIONS]
QUOTES: Quotes = {"AAPL": dict.fromkeys(DAYS, ("100", "101"))}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> ArenaHome:
    """An arena without a last date, two of whose five sessions were traded, the third by one of its two models."""
    roster = [baseline(name) for name in MODELS]
    arena = priced_arena(tmp_path_factory.mktemp("prepared"), roster, QUOTES, first=DAYS[0], last=DAYS[-1])
    reconfigure(arena, date_range={"end_date": None})
    assert arena.materialise("prices").success
    trade(arena, MODELS, DAYS[:2])
    trade(arena, (CASH,), DAYS[2:3])
    return arena


def missed(arena: ArenaHome, after: dt.date, now: dt.datetime) -> dict[dt.date, tuple[str, ...]]:
    settings = arena.settings
    return missed_sessions(settings, axes_of(settings), after, now)


def test_a_session_is_missed_some_hours_after_its_close_and_not_before(prepared: ArenaHome) -> None:
    close = CALENDAR.close_at(SESSIONS[2])
    almost = close + dt.timedelta(hours=6, seconds=-1)
    assert missed(prepared, SESSIONS[1], almost) == {}
    assert missed(prepared, SESSIONS[1], close + dt.timedelta(hours=6)) == {SESSIONS[2]: (HOLD,)}


def test_the_hours_are_those_of_the_config(arena: ArenaHome) -> None:
    reconfigure(arena, notifications={"missed_after_hours": 0.5})
    close = CALENDAR.close_at(SESSIONS[2])
    assert missed(arena, SESSIONS[1], close + dt.timedelta(minutes=29)) == {}
    assert missed(arena, SESSIONS[1], close + dt.timedelta(minutes=30)) == {SESSIONS[2]: (HOLD,)}


def test_a_session_that_all_have_traded_is_looked_at_and_missed_by_nobody(prepared: ArenaHome) -> None:
    assert missed(prepared, SESSIONS[0], CALENDAR.close_at(SESSIONS[2])) == {SESSIONS[1]: ()}


def test_a_model_that_is_switched_off_misses_nothing(arena: ArenaHome) -> None:
    reconfigure(arena, models=[baseline(CASH), {**baseline(HOLD), "enabled": False}])
    assert missed(arena, SESSIONS[1], CALENDAR.close_at(SESSIONS[3])) == {SESSIONS[2]: ()}


def test_each_missed_session_is_told_once_with_its_models_to_the_webhook(
    arena: ArenaHome, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    reconfigure(arena, notifications={"webhook": WEBHOOK})
    with webhook() as hook:
        monkeypatch.setenv(WEBHOOK, hook.url)
        first = sensor_tick(arena, instance, SENSOR, DAYS[0])
        again = sensor_tick(arena, instance, SENSOR, first.cursor)
    assert first.skip_message == f"told of {', '.join(DAYS[2:])}"
    assert [(body["date"], body["models"]) for body in hook.bodies] == [
        (DAYS[2], [HOLD]),
        (DAYS[3], list(MODELS)),
        (DAYS[4], list(MODELS)),
    ]
    assert hook.bodies[0]["text"] == (
        f"the session of {DAYS[2]} is over, and {HOLD} did not trade it: "
        "launch what is missing with `aitrader run`, or turn on catch_up"
    )
    assert again.skip_message == "no session was missed"


def test_what_was_before_it_was_turned_on_is_no_news(arena: ArenaHome, instance: dg.DagsterInstance) -> None:
    first = sensor_tick(arena, instance, SENSOR)
    assert first.skip_message == f"sessions after {first.cursor} are watched"
    assert dt.date.fromisoformat(first.cursor or "") >= TODAY
    assert sensor_tick(arena, instance, SENSOR, first.cursor).skip_message == "no session was missed"


def test_an_arena_with_a_last_date_misses_nothing(arena: ArenaHome, instance: dg.DagsterInstance) -> None:
    reconfigure(arena, date_range={"end_date": DAYS[-1]})
    tick = sensor_tick(arena, instance, SENSOR, DAYS[0])
    assert tick.skip_message == "the arena has a last date: nobody waits for its next session"


# --- freshness ---


def freshness_of(arena: ArenaHome, asset: str) -> dg.FreshnessPolicy | None:
    with arena.instance():
        graph = build_definitions(arena.settings).resolve_asset_graph()
    (spec,) = graph.assets_def_for_key(dg.AssetKey(asset)).specs
    return spec.freshness_policy


@pytest.mark.parametrize("asset", ["prices", "leaderboard"])
def test_what_follows_every_session_of_an_arena_that_goes_on_may_be_as_old_as_the_exchange_pauses_and_the_hours(
    asset: str, arena: ArenaHome
) -> None:
    policy = freshness_of(arena, asset)
    ahead = TradingCalendar("XNAS", TODAY, TODAY + dt.timedelta(days=360))
    closes = [ahead.close_at(date) for date in ahead.sessions(ahead.first, ahead.last)]
    longest = max(later - earlier for earlier, later in pairwise(closes))
    assert longest >= dt.timedelta(days=3)
    assert policy == dg.FreshnessPolicy.time_window(fail_window=longest + dt.timedelta(hours=6))


@pytest.mark.parametrize("asset", ["prices", "leaderboard"])
def test_an_arena_with_a_last_date_is_never_late(asset: str, arena: ArenaHome) -> None:
    reconfigure(arena, date_range={"end_date": DAYS[-1]})
    assert freshness_of(arena, asset) is None
