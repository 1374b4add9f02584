"""The definitions: they load as the server loads them, and what the UI shows of every asset."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from aitrader_pipeline.config import PROJECT_ROOT
from aitrader_pipeline.definitions import build_definitions
from aitrader_pipeline.market.findings import PRICE_CHECKS
from aitrader_pipeline.store.mart import schema
from aitrader_pipeline_tests.arena_homes import ArenaHome, clean_environment, sample_arena

STANDINGS = ("leaderboard_snapshots", "current_standings")
YARDSTICKS = ("replica_groups", "null_standing", "contamination")
TRADES = {
    "trade_log",
    "open_lots",
    "hourly_snapshots",
    "daily_summaries",
    "weekly_summaries",
    "monthly_summaries",
}
DECISIONS = {
    "forward_returns": {"prices", "corporate_actions", "decision_log"},
    "decision_outcomes": {"forward_returns", "decision_log"},
    "model_agreement": {"decision_outcomes", "daily_pnl"},
    "confidence_calibration": {"decision_outcomes"},
    "profit_by_symbol": {"trade_log", "open_lots", "positions", "portfolio_timeseries"},
    "market_models": {"portfolio_timeseries", "performance_metrics"},
}
BOARDS = {
    "portfolio_timeseries",
    "performance_metrics",
    "uncertainty",
    "leaderboard",
    *TRADES,
    *STANDINGS,
    *YARDSTICKS,
    *DECISIONS,
}
CELL = "2012-10-01|cash"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("definitions")


@pytest.fixture(scope="module")
def defs(folder: Path) -> dg.Definitions:
    return build_definitions(sample_arena(folder, "2012-10-01", "2012-10-05").settings)


@pytest.fixture(scope="module")
def specs(defs: dg.Definitions) -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


# --- loading ---


@pytest.mark.parametrize("source", ["alpha_vantage", "tiingo", "massive", "yfinance"])
def test_the_definitions_of_an_arena_with_a_vendor_load(source: str, tmp_path: Path) -> None:
    config = {
        "date_range": {"init_date": "2025-10-28", "end_date": "2025-10-30"},
        "models": [{"name": "Cash", "signature": "cash", "trader": "cash"}],
        "agent_config": {"stock_symbols": ["AAPL", "BRK.B"]},
        "market": {"source": source, "compare_with": {"source": "massive" if source == "tiingo" else "tiingo"}},
    }
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    arena = ArenaHome(tmp_path, {"AITRADER_CONFIG": str(tmp_path / "config.json")})
    build_definitions(arena.settings).get_repository_def().load_all_definitions()


def test_the_shipped_workspace_loads_as_the_server_loads_it(tmp_path: Path) -> None:
    environ = {"AITRADER_HOME": str(tmp_path / "home"), "DAGSTER_HOME": str(tmp_path)}
    loaded = subprocess.run(
        [Path(sys.executable).with_name("dagster"), "definitions", "validate", "--workspace", "workspace.yaml"],
        cwd=PROJECT_ROOT,
        env=clean_environment(environ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert loaded.returncode == 0, loaded.stdout + loaded.stderr
    assert "Validation successful for code location aitrader" in loaded.stdout + loaded.stderr


# --- what the catalog shows ---


def test_the_graph_is_one_way_from_prices_to_leaderboard(specs: dict[str, dg.AssetSpec]) -> None:
    upstream = {name: {dep.asset_key.to_user_string() for dep in spec.deps} for name, spec in specs.items()}
    assert upstream == {
        "prices": set(),
        "corporate_actions": {"prices"},
        "coverage": {"prices"},
        "session_inputs": {"prices", "corporate_actions"},
        "agent_sessions": {"prices", "corporate_actions", "session_inputs", "agent_sessions"},
        "reasoning_logs": {"agent_sessions"},
        "decision_log": {"agent_sessions", "prices"},
        "positions": {"agent_sessions", "prices"},
        "holdings": {"agent_sessions"},
        "daily_pnl": {"positions", "holdings", "prices"},
        "portfolio_timeseries": {"positions", "daily_pnl", "prices", "corporate_actions"},
        "performance_metrics": {"portfolio_timeseries"},
        "uncertainty": {"portfolio_timeseries", "performance_metrics"},
        "leaderboard": {"performance_metrics", "reasoning_logs", "trade_log", "uncertainty"},
        **{table: {"portfolio_timeseries", "positions", "holdings", "daily_pnl"} for table in TRADES},
        **{
            table: {"portfolio_timeseries", "positions", "holdings", "trade_log", "leaderboard"}
            for table in STANDINGS
        },
        **{table: {"portfolio_timeseries", "performance_metrics", "leaderboard"} for table in YARDSTICKS},
        **DECISIONS,
    }


def test_every_asset_stands_in_its_room(specs: dict[str, dg.AssetSpec]) -> None:
    assert {name: spec.group_name for name, spec in specs.items()} == {
        "prices": "market",
        "corporate_actions": "market",
        "coverage": "market",
        "session_inputs": "trading",
        "agent_sessions": "trading",
        "reasoning_logs": "trading",
        "decision_log": "trading",
        "positions": "performance",
        "holdings": "performance",
        "daily_pnl": "performance",
        "portfolio_timeseries": "performance",
        "performance_metrics": "performance",
        "leaderboard": "ranking",
        "uncertainty": "ranking",
        **dict.fromkeys(TRADES, "ranking"),
        **dict.fromkeys(STANDINGS, "ranking"),
        **dict.fromkeys(YARDSTICKS, "ranking"),
        **dict.fromkeys(DECISIONS, "ranking"),
    }


def test_every_asset_has_an_owner_kinds_and_a_description(specs: dict[str, dg.AssetSpec]) -> None:
    assert [name for name, spec in specs.items() if not (spec.owners and spec.kinds)] == []
    assert [name for name, spec in specs.items() if len(spec.description or "") < len("a sentence")] == []


def test_every_table_shows_its_columns_as_they_are_in_the_mart(specs: dict[str, dg.AssetSpec]) -> None:
    tables = {name: spec for name, spec in specs.items() if "dagster/table_name" in spec.metadata}
    shown = {
        name: [(column.name, column.type, column.description) for column in columns.columns]
        for name, spec in tables.items()
        if isinstance(columns := spec.metadata["dagster/column_schema"], dg.TableSchema)
    }
    assert specs.keys() - tables.keys() == {"session_inputs", "agent_sessions"}
    mart = schema()
    assert shown == {name: [(c.name, c.type, c.description) for c in mart[name]] for name in tables}
    assert {name: spec.metadata["dagster/table_name"] for name, spec in tables.items()} == {n: n for n in tables}


def test_a_session_hangs_on_the_same_model_s_session_before(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    key = dg.AssetKey("agent_sessions")
    grid = graph.get(key).partitions_def
    assert isinstance(grid, dg.MultiPartitionsDefinition)
    mapping = graph.get_partition_mapping(key, key)
    subset = grid.subset_with_partition_keys(["2012-10-02|cash"])
    upstream = mapping.get_upstream_mapped_partitions_result_for_partitions(subset, grid, grid)
    assert list(upstream.partitions_subset.get_partition_keys()) == ["2012-10-01|cash"]


def test_what_belongs_to_a_model_day_is_partitioned_and_takes_any_slice_in_one_run(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    cells = {"agent_sessions", "reasoning_logs", "decision_log", "positions", "holdings", "daily_pnl"}
    nodes = {node.key.to_user_string(): node for node in graph.asset_nodes}
    assert {name for name, node in nodes.items() if node.is_partitioned} == cells | {"session_inputs"}
    assert {nodes[name].backfill_policy for name in cells} == {dg.BackfillPolicy.single_run()}


def test_no_partitioned_job_has_a_name_because_its_backfill_would_run_the_wrong_cells(
    defs: dg.Definitions,
) -> None:
    named = [job for job in defs.resolve_all_job_defs() if not job.name.startswith("__")]
    assert [job.name for job in named if job.partitions_def is not None] == []


def test_the_identities_of_a_model_day_alone_are_checks_that_block_what_follows(defs: dg.Definitions) -> None:
    checks = {
        (spec.asset_key.to_user_string(), spec.name): spec.blocking
        for check in defs.resolve_asset_graph().assets_defs
        for spec in check.check_specs
    }
    assert {check for check, blocking in checks.items() if blocking} == {
        ("positions", "cash_and_shares_valid"),
        ("positions", "fills_balance"),
        ("trade_log", "trades_balance"),
    }
    assert {check for check, blocking in checks.items() if not blocking} == {
        ("positions", "sessions_link"),
        ("daily_pnl", "profits_add_up"),
        ("daily_pnl", "no_day_missing"),
        ("open_lots", "open_lots_marked"),
        ("reasoning_logs", "no_leaks"),
        *(("prices", check.name) for check in PRICE_CHECKS),
    }


# --- automation ---


def materialise(instance: dg.DagsterInstance, *names: str, partition: str | None = None) -> None:
    for name in names:
        instance.report_runless_asset_event(dg.AssetMaterialization(name, partition=partition))


def asked(found: dg.EvaluateAutomationConditionsResult, defs: dg.Definitions) -> set[str]:
    keys = defs.resolve_asset_graph().get_all_asset_keys()
    return {key.to_user_string() for key in keys if found.get_num_requested(key)}


def test_the_automation_runs_from_the_start_over_all_that_has_a_condition(defs: dg.Definitions) -> None:
    (sensor,) = (sensor for sensor in defs.sensors or () if sensor.name == "automation")
    assert isinstance(sensor, dg.AutomationConditionSensorDefinition)
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    graph = defs.resolve_asset_graph()
    watched = sensor.asset_selection.resolve(graph)
    automated = {node.key for node in graph.asset_nodes if node.automation_condition is not None}
    assert {key.to_user_string() for key in automated} == {"prices", "corporate_actions", "coverage", *BOARDS}
    assert automated <= watched


def test_prices_are_asked_for_while_they_are_missing(defs: dg.Definitions, instance: dg.DagsterInstance) -> None:
    first = dg.evaluate_automation_conditions(defs, instance)
    assert "prices" in asked(first, defs)
    materialise(instance, "prices")
    assert "prices" not in asked(dg.evaluate_automation_conditions(defs, instance, cursor=first.cursor), defs)


def test_the_tables_over_the_grid_are_asked_for_once_after_a_scored_model_day(
    defs: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    job = defs.resolve_implicit_global_asset_job_def()

    def materialise_together(names: set[str], cell: str | None = None) -> None:
        assets = [dg.AssetKey(name) for name in sorted(names)]
        assert job.execute_in_process(instance=instance, asset_selection=assets, partition_key=cell).success

    materialise_together({"prices", "corporate_actions"})
    materialise_together(BOARDS)
    tick = dg.evaluate_automation_conditions(defs, instance)
    tick = dg.evaluate_automation_conditions(defs, instance, cursor=tick.cursor)
    assert asked(tick, defs) == set()
    materialise_together({"agent_sessions", "positions", "holdings", "daily_pnl"}, CELL)
    tick = dg.evaluate_automation_conditions(defs, instance, cursor=tick.cursor)
    assert asked(tick, defs) == BOARDS
    materialise_together(BOARDS)
    for _ in range(2):
        tick = dg.evaluate_automation_conditions(defs, instance, cursor=tick.cursor)
        assert asked(tick, defs) == set()


def test_sessions_cost_money_and_are_never_asked_for(defs: dg.Definitions, instance: dg.DagsterInstance) -> None:
    materialise(instance, "prices")
    first = dg.evaluate_automation_conditions(defs, instance)
    materialise(instance, "agent_sessions", partition=CELL)
    second = dg.evaluate_automation_conditions(defs, instance, cursor=first.cursor)
    assert not {"agent_sessions", "positions", "daily_pnl"} & (asked(first, defs) | asked(second, defs))
