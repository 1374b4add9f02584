"""Sensors: what watches the arena."""

import dagster as dg


def arena_sensors() -> list[dg.SensorDefinition]:
    """The sensor that keeps prices, series, metrics and the leaderboard up to date; on from the start."""
    return [
        dg.AutomationConditionSensorDefinition(
            "automation",
            target=dg.AssetSelection.groups("market", "performance", "ranking"),
            default_status=dg.DefaultSensorStatus.RUNNING,
        )
    ]
