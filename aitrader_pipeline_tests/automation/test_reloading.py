"""Following the config: the running definitions are loaded anew when the files say something else."""

import dagster as dg
import pytest

from aitrader_pipeline.definitions import build_definitions
from aitrader_pipeline_tests.arena_homes import ArenaHome, priced_arena, reconfigure
from aitrader_pipeline_tests.dagster_ticks import sensor_of, trade
from aitrader_pipeline_tests.markets import FLAT, TEN_DAYS, baseline
from aitrader_pipeline_tests.webhook_server import webhook

CASH, HOLD, EQUAL = "cash", "buy_and_hold", "equal_weight"
URL = "AITRADER_UI_URL"
PAGE = "Deployment > Code locations of the UI"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> ArenaHome:
    arena = priced_arena(tmp_path_factory.mktemp("prepared"), [baseline(CASH), baseline(HOLD)], FLAT)
    assert arena.materialise("prices").success
    return arena


@pytest.fixture
def loaded(arena: ArenaHome) -> dg.Definitions:
    """The definitions as a server has loaded them."""
    return build_definitions(arena.settings)


def tick(
    loaded: dg.Definitions, instance: dg.DagsterInstance, cursor: str | None = None
) -> tuple[str | None, str | None]:
    """What the sensor of definitions that were loaded before says now, and its cursor."""
    sensor = sensor_of(loaded, "follow_the_config")
    context = dg.build_sensor_context(instance, cursor=cursor, definitions=loaded, sensor_name=sensor.name)
    told = sensor.evaluate_tick(context)
    return told.skip_message, told.cursor


def test_as_long_as_the_files_are_as_they_were_nothing_is_reloaded(
    loaded: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    assert tick(loaded, instance) == ("the config is as it was loaded", None)


def test_models_that_come_and_go_are_named_with_what_to_click(
    arena: ArenaHome, loaded: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    reconfigure(arena, models=[baseline(CASH), baseline(EQUAL)])
    said, _ = tick(loaded, instance)
    assert said == f"the config has changed (new: {EQUAL}, gone: {HOLD}): reload it on the page {PAGE}"


def test_a_model_that_has_left_the_config_stays_on_the_grid_with_its_records(
    arena: ArenaHome, instance: dg.DagsterInstance
) -> None:
    trade(arena, (HOLD,), TEN_DAYS[:1])
    loaded = build_definitions(arena.settings)
    reconfigure(arena, models=[baseline(CASH)])
    said, _ = tick(loaded, instance)
    assert said == f"the config has changed (other settings): reload it on the page {PAGE}"


def test_the_records_of_a_new_model_are_a_reason_to_reload(
    arena: ArenaHome, loaded: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    record = trade_elsewhere(arena)
    said, _ = tick(loaded, instance)
    assert said == f"the config has changed (new: {record}): reload it on the page {PAGE}"


def trade_elsewhere(arena: ArenaHome) -> str:
    """Another config of the same home has run a model of its own."""
    config = (arena.folder / "config.json").read_text()
    reconfigure(arena, models=[baseline(EQUAL)])
    trade(arena, (EQUAL,), TEN_DAYS[:1])
    (arena.folder / "config.json").write_text(config)
    return EQUAL


def test_an_override_that_has_changed_is_a_reason_to_reload(arena: ArenaHome) -> None:
    override = arena.folder / "override.json"
    override.write_text("{}")
    arena = ArenaHome(arena.folder, {**arena.environ, "AITRADER_CONFIG_OVERRIDE": str(override)})
    loaded = build_definitions(arena.settings)
    override.write_text('{"date_range": {"end_date": "2025-11-28"}}')
    with arena.instance() as instance:
        said, _ = tick(loaded, instance)
    assert said == f"the config has changed (other settings): reload it on the page {PAGE}"


def test_a_broken_config_is_told_in_its_own_words_and_nothing_is_reloaded(
    arena: ArenaHome, loaded: dg.Definitions, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = arena.folder / "config.json"
    path.write_text(path.read_text().replace('"cash"', '"cache"'))
    with webhook() as ui:
        monkeypatch.setenv(URL, ui.url)
        said, cursor = tick(loaded, instance)
    assert (said or "").startswith(f"{path}: ")
    assert "cache" in (said or "")
    assert (cursor, ui.bodies) == (None, [])


def test_a_ui_that_does_not_reload_is_asked_again_at_the_next_tick(
    arena: ArenaHome, loaded: dg.Definitions, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    reconfigure(arena, models=[baseline(CASH)])
    with webhook(500) as ui:
        monkeypatch.setenv(URL, ui.url)
        said = [tick(loaded, instance), tick(loaded, instance)]
    reason = f"the UI at {ui.url} did not reload the definitions: HTTPStatusError"
    assert said == [(reason, None)] * 2
    assert [body["variables"] for body in ui.bodies] == [{"name": "aitrader"}] * 2
    assert tick(loaded, instance) == (f"the UI at {ui.url} did not reload the definitions: ConnectError", None)


def test_a_ui_is_asked_once_for_each_state_of_the_config(
    arena: ArenaHome, loaded: dg.Definitions, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    reconfigure(arena, models=[baseline(CASH)])
    with webhook(answer={"data": {"reloadRepositoryLocation": {"__typename": "WorkspaceLocationEntry"}}}) as ui:
        monkeypatch.setenv(URL, ui.url)
        said, cursor = tick(loaded, instance)
        assert said == f"the definitions were reloaded (gone: {HOLD})"
        said, _ = tick(loaded, instance, cursor)
        assert said == f"the definitions are being reloaded (gone: {HOLD}), else do it on {PAGE}"
        assert len(ui.bodies) == 1
        reconfigure(arena, models=[baseline(CASH), baseline(EQUAL)])
        said, _ = tick(loaded, instance, cursor)
        assert said == f"the definitions were reloaded (new: {EQUAL}, gone: {HOLD})"
        assert len(ui.bodies) == 2


def test_why_the_definitions_cannot_be_loaded_is_told(
    arena: ArenaHome, loaded: dg.Definitions, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    reconfigure(arena, models=[baseline(CASH)])
    refusal = {"data": {"reloadRepositoryLocation": {"__typename": "ReloadNotSupported", "message": "not here"}}}
    with webhook(answer=refusal) as ui:
        monkeypatch.setenv(URL, ui.url)
        assert tick(loaded, instance) == (f"the UI at {ui.url} did not reload the definitions: not here", None)
