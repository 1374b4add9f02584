"""Checks of the room `market`: what may be wrong with the prices is warned of, and stops nothing."""

from collections.abc import Iterator, Sequence

import dagster as dg
from dagster_duckdb import DuckDBResource

from aitrader_pipeline.catalog import COMPARED_PRICES, MART_POOL, PRICES
from aitrader_pipeline.config import Settings
from aitrader_pipeline.market.findings import PRICE_CHECKS, SOURCES_AGREE, PriceCheck, findings
from aitrader_pipeline.store.mart import writing

_LISTED = 20


def market_checks(settings: Settings) -> list[dg.AssetChecksDefinition]:
    """The checks of this room; of the second source only where the config names one."""
    checks = [_checks(settings, "price_checks", PRICES, PRICE_CHECKS)]
    if settings.config.market.compare_with is not None:
        checks.append(_checks(settings, "comparison", COMPARED_PRICES, [SOURCES_AGREE]))
    return checks


def _checks(settings: Settings, name: str, asset: str, checks: Sequence[PriceCheck]) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(
        name=name,
        specs=[dg.AssetCheckSpec(check.name, asset=asset, description=check.description) for check in checks],
        pool=MART_POOL,
    )
    def found_in_prices(duckdb: DuckDBResource) -> Iterator[dg.AssetCheckResult]:
        with writing(duckdb) as con:
            found = {check.name: findings(con, check, settings.config) for check in checks}
            [(bars, symbols)] = con.execute("SELECT count(*), count(DISTINCT symbol) FROM prices").fetchall()
        for check_name, problems in found.items():
            yield dg.AssetCheckResult(
                check_name=check_name,
                asset_key=asset,
                passed=not problems,
                severity=dg.AssetCheckSeverity.WARN,
                description="; ".join(problems[:3]) or None,
                metadata={
                    "found": len(problems),
                    "first": dg.MetadataValue.json(problems[:_LISTED]),
                    "bars": bars,
                    "symbols": symbols,
                },
            )

    return found_in_prices
