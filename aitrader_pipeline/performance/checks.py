"""Checks of the room `performance`: the identities that every model-day must keep before anyone is ranked."""

from collections.abc import Iterator

import dagster as dg
from dagster_duckdb import DuckDBResource

from aitrader_pipeline.catalog import MART_POOL
from aitrader_pipeline.performance.identities import IDENTITIES, Identity, violations
from aitrader_pipeline.store.mart import writing

# The name of the step that makes all of them.
IDENTITY_CHECKS = "identities"
_LISTED = 20


def performance_checks() -> list[dg.AssetChecksDefinition]:
    """The checks of this room: the identities."""

    @dg.multi_asset_check(
        name=IDENTITY_CHECKS,
        specs=[
            dg.AssetCheckSpec(
                identity.name, asset=identity.table, blocking=identity.blocks, description=identity.description
            )
            for identity in IDENTITIES
        ],
        pool=MART_POOL,
    )
    def identities(duckdb: DuckDBResource) -> Iterator[dg.AssetCheckResult]:
        with writing(duckdb) as con:
            found = {identity.name: violations(con, identity) for identity in IDENTITIES}
        for identity in IDENTITIES:
            yield check_result(identity, found[identity.name])

    return [identities]


def check_result(identity: Identity, problems: list[str]) -> dg.AssetCheckResult:
    """What the UI shows of an identity, given what breaks it."""
    return dg.AssetCheckResult(
        check_name=identity.name,
        asset_key=identity.table,
        passed=not problems,
        severity=dg.AssetCheckSeverity.ERROR if identity.ranks else dg.AssetCheckSeverity.WARN,
        description="; ".join(problems[:3]) or None,
        metadata={"violations": len(problems), "first": dg.MetadataValue.json(problems[:_LISTED])},
    )
