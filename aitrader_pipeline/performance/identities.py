"""The identities of the books (docs/metrics.md): what must hold to the cent on every model-day."""

from dataclasses import dataclass

import duckdb

from aitrader_pipeline.store.sql import statement

_LISTED = 10


@dataclass(frozen=True)
class Identity:
    """A statement over the mart that selects whatever breaks it; ``sql/check_<name>.sql`` of a room.

    Attributes:
        ranks: Whether nobody is ranked while it is broken; of the others, nothing is wrong with what is there.
        blocks: Whether it also ends the run that finds it broken. One that spans model-days does not: while
            several runs replace a model's days, the books of one may only add up with those of the next.
        package: The room's package.
    """

    name: str
    table: str
    description: str
    ranks: bool = True
    blocks: bool = True
    package: str = "aitrader_pipeline.performance"


IDENTITIES = (
    Identity(
        "cash_and_shares_valid",
        "positions",
        "Cash is never below zero, shares are whole and above zero, actions are numbered without a gap.",
    ),
    Identity(
        "fills_balance",
        "positions",
        "Start + fills + corporate actions - costs = end, action by action, cash and shares.",
    ),
    Identity(
        "sessions_link",
        "positions",
        "A session opens with what the model's session before it closed with.",
        blocks=False,
    ),
    Identity(
        "profits_add_up",
        "daily_pnl",
        "The sum of daily profits = last closing equity - initial cash.",
        blocks=False,
    ),
    Identity(
        "no_day_missing",
        "daily_pnl",
        "Every scored session follows the one that it opened from; a series ends where one is missing.",
        ranks=False,
        blocks=False,
    ),
)


def violations(con: duckdb.DuckDBPyConnection, identity: Identity) -> list[str]:
    """Whatever breaks an identity, one line each with model, session and the numbers; empty when it holds."""
    rows = con.execute(statement(identity.package, f"check_{identity.name}")).fetchall()
    return [f"{model} on {date}: {problem}" for model, date, problem in rows]


def imbalance(con: duckdb.DuckDBPyConnection) -> str | None:
    """Why nobody can be ranked on these books, None where they balance."""
    broken = [problem for identity in IDENTITIES if identity.ranks for problem in violations(con, identity)]
    if not broken:
        return None
    return f"nobody is ranked while the books do not balance: {'; '.join(broken[:_LISTED])}"
