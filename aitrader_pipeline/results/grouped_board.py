"""The leaderboard for people: the replicas of a model are one line."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Row = dict[str, Any]
_MEANS = {
    "portfolio_value": "mean_portfolio_value",
    "cumulative_return_pct": "mean_return_pct",
    "deviation_return_pct": "deviation_return_pct",
    "sharpe_ratio": "mean_sharpe_ratio",
    "max_drawdown_pct": "mean_max_drawdown_pct",
    "trades": "mean_trades",
}
_COSTS = ("inference_cost_usd", "cost_per_trade_usd", "net_return_pct")
_SUMS = ("leaks_told", "leaks_said")


def grouped(standings: Iterable[Mapping[str, Any]], groups: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Put one line, with means, in the place of a model's replicas, and rank anew.

    Args:
        standings: rows of the leaderboard.
        groups: rows of ``replica_groups``.

    Returns:
        The lines, best first, each with ``replicas`` and the deviation of their returns; of what else is known of
        each portfolio, a line of several has what is the same for all of them, and None where they differ.
    """
    figures = {group["model"]: group for group in groups}
    lines: list[Row] = []
    replicas: dict[str, list[Mapping[str, Any]]] = {}
    for row in standings:
        if row["replica_of"] in figures:
            replicas.setdefault(row["replica_of"], []).append(row)
        else:
            lines.append({**row, "replicas": 1, "deviation_return_pct": None})
    lines += [_line(figures[model], members) for model, members in replicas.items()]
    lines.sort(key=lambda line: (_place(line), line["model"]))
    places = [_place(line) for line in lines]
    return [line | {"rank": places.index(place) + 1} for line, place in zip(lines, places, strict=True)]


def _line(group: Mapping[str, Any], members: Sequence[Mapping[str, Any]]) -> Row:
    line: Row = {
        name: value if all(row[name] == value for row in members) else None for name, value in members[0].items()
    }
    line |= {name: group[name] for name in ("model", "kind", "replicas", "sessions")} | {"replica_of": None}
    line |= {name: group[mean] for name, mean in _MEANS.items()}
    line |= {name: sum(row[name] for row in members) for name in _SUMS if _is_known(name, members)}
    return line | {name: _mean([row[name] for row in members]) for name in _COSTS}


def _is_known(name: str, members: Sequence[Mapping[str, Any]]) -> bool:
    return all(row.get(name) is not None for row in members)


def _mean(values: Sequence[float | None]) -> float | None:
    """Of values that are all known."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None


def _place(line: Row) -> tuple[float, float, float]:
    """As the leaderboard ranks: by return, then Sharpe, then drawdown, unknown ones last."""
    sharpe, drawdown = line["sharpe_ratio"], line["max_drawdown_pct"]
    return (
        -line["cumulative_return_pct"],
        float("inf") if sharpe is None else -sharpe,
        float("inf") if drawdown is None else drawdown,
    )
