"""The identities of the books (docs/metrics.md): what must hold to the cent on every model-day."""

from dataclasses import dataclass

import duckdb

from aitrader_pipeline.store.sql import statement


@dataclass(frozen=True)
class Identity:
    """A statement over the mart that selects whatever breaks it; ``sql/check_<name>.sql``.

    One that does not block only tells: nothing is wrong with what is there.
    """

    name: str
    table: str
    description: str
    blocks: bool = True


IDENTITIES = (
    Identity(
        "cash_and_shares_valid",
        "positions",
        "Cash is never below zero, shares are whole and above zero, actions are numbered without a gap.",
    ),
    Identity("fills_balance", "positions", "Start + fills - costs = end, action by action, cash and shares."),
    Identity("sessions_link", "positions", "A session opens with what the model's session before it closed with."),
    Identity("profits_add_up", "daily_pnl", "The sum of daily profits = last closing equity - initial cash."),
    Identity(
        "no_day_missing",
        "daily_pnl",
        "Every scored session follows the one that it opened from; a series ends where one is missing.",
        blocks=False,
    ),
)


def violations(con: duckdb.DuckDBPyConnection, identity: Identity) -> list[str]:
    """Whatever breaks an identity, one line each with model, session and the numbers; empty when it holds."""
    rows = con.execute(statement("aitrader_pipeline.performance", f"check_{identity.name}")).fetchall()
    return [f"{model} on {date}: {problem}" for model, date, problem in rows]
