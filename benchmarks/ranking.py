"""The tables and questions of the ranking on 1,000,000 position rows, beside the bare scan of them.

    python -m benchmarks.ranking [--times 1 3] [--again 3] [--folder FOLDER]

Each size is made anew (200 models x 252 sessions x 19 fills, and as many times the models), measured in a process
of its own and removed. A rebuild is one transaction with its commit; the first fills empty tables, those after it
find the same rows there. A question is asked once before it is timed. `decision_comparison` is asked for all its
18 million rows at the first size only, and compared with the scan of a table that holds them. `--folder` is where
the marts lie, else in a temporary one; ten times the rows take some GiB of memory.
"""

import argparse
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from aitrader_pipeline.performance.identities import imbalance, violations
from aitrader_pipeline.performance.series import Benchmarks, metrics_query, metrics_window, rebuild_metrics
from aitrader_pipeline.performance.series import rebuild_timeseries as rebuild_series
from aitrader_pipeline.ranking.contamination import rebuild_contamination
from aitrader_pipeline.ranking.decision_tables import rebuild_decision_tables
from aitrader_pipeline.ranking.leaderboard import rebuild_leaderboard
from aitrader_pipeline.ranking.market_models import rebuild_market_models
from aitrader_pipeline.ranking.null_cloud import rebuild_null_standing
from aitrader_pipeline.ranking.replicas import rebuild_replica_groups
from aitrader_pipeline.ranking.standings import rebuild_standings
from aitrader_pipeline.ranking.trades import rebuild_summaries, rebuild_trades, trade_statistics_query
from aitrader_pipeline.ranking.trades_asset import TRADE_IDENTITIES
from benchmarks.measuring import in_own_process, machine, table
from benchmarks.ranking_mart import INITIAL_CASH, Size, write_mart

CALENDAR = "XNAS"
REBUILD_BUDGET_SECONDS = 5.0
QUESTION_BUDGET_MS = 50.0
QUESTION_BUDGET_SCANS = 3.0
MODEL = "m007"

Mart = duckdb.DuckDBPyConnection


@dataclass(frozen=True)
class Rebuild:
    """A step that fills tables of the ranking; those of one transaction follow one another."""

    name: str
    run: Callable[[Mart], object]


@dataclass(frozen=True)
class Question:
    """Something that a user asks of the mart."""

    name: str
    query: str
    parameters: dict[str, object] | None = None


def _series(con: Mart) -> None:
    rebuild_series(con, Benchmarks(INITIAL_CASH, "S000"))
    rebuild_metrics(con, risk_free_rate=0.0)


def _trades(con: Mart) -> None:
    rebuild_trades(con, calendar=CALENDAR)


def _summaries(con: Mart) -> None:
    rebuild_summaries(con, calendar=CALENDAR, risk_free_rate=0.0)


def _standings(con: Mart) -> None:
    rebuild_standings(con, calendar=CALENDAR, risk_free_rate=0.0)


def _checks(con: Mart) -> None:
    broken = [problem for identity in TRADE_IDENTITIES for problem in violations(con, identity)]
    if broken:
        raise RuntimeError("; ".join(broken[:5]))


def _board(con: Mart) -> None:
    if reason := imbalance(con):
        raise RuntimeError(reason)
    rebuild_leaderboard(con)


def _yardsticks(con: Mart) -> None:
    for rebuild in (rebuild_replica_groups, rebuild_null_standing, rebuild_contamination):
        rebuild(con, risk_free_rate=0.0)


# One after the other; each needs what those before it have filled.
REBUILDS = (
    Rebuild("portfolio_timeseries, performance_metrics", _series),
    Rebuild("trade_log, open_lots", _trades),
    Rebuild("hourly, daily, weekly, monthly", _summaries),
    Rebuild("their identities", _checks),
    Rebuild("leaderboard_snapshots, current_standings", _standings),
    Rebuild("decisions: outcomes, agreement, calibration, profit by symbol", rebuild_decision_tables),
    Rebuild("market_models", lambda con: rebuild_market_models(con, risk_free_rate=0.0)),
    Rebuild("leaderboard", _board),
    Rebuild("replica groups, null standing, contamination", _yardsticks),
)
_COMPARED = "SELECT count(*), avg((model_1_decision = model_2_decision)::INT) FROM decision_comparison"
_RANGE = {"start": "2025-03-03", "end": "2025-06-30"}
QUESTIONS = (
    Question("metrics of all, any range", metrics_query(), {**metrics_window(None, None, 0.0), **_RANGE}),
    Question("trade statistics of all, any range", trade_statistics_query(), {**_RANGE}),
    Question("closed trades of a model", f"FROM trade_log WHERE model_id = '{MODEL}'"),
    Question("open lots of a model", f"FROM open_lots WHERE model_id = '{MODEL}'"),
    Question("days of a model", f"FROM daily_summaries WHERE model_id = '{MODEL}' ORDER BY date"),
    Question(
        "the newest week of all", "FROM weekly_summaries WHERE is_partial OR period_start = DATE '2025-10-27'"
    ),
    Question(
        "curve of a model, mark by mark", f"FROM hourly_snapshots WHERE model_id = '{MODEL}' ORDER BY timestamp"
    ),
    Question("current standings", "FROM current_standings ORDER BY total_return_pct DESC"),
    Question("top performers", "FROM top_performers ORDER BY timeframe, rank"),
    Question("rank history of a model", f"FROM rank_history WHERE model_id = '{MODEL}' ORDER BY timeframe, date"),
    Question("rank history of all", "SELECT timeframe, sum(abs(rank_change)) FROM rank_history GROUP BY ALL"),
    Question("decisions of two models", f"{_COMPARED} WHERE model_1_id = '{MODEL}' AND model_2_id = 'm033'"),
    Question("decisions of all on a symbol", f"{_COMPARED} WHERE symbol = 'S007'"),
    Question(
        "where two models parted",
        f"FROM decision_divergence WHERE model_1 = '{MODEL}' AND model_2 = 'm033' ORDER BY date, symbol",
    ),
    Question("agreement of all pairs", "SELECT avg(kappa), sum(diverging) FROM model_agreement"),
    Question("profit by symbol of a model", f"FROM profit_by_symbol WHERE model = '{MODEL}' ORDER BY profit DESC"),
    Question("decisions of all in a session", f"{_COMPARED} WHERE date = DATE '2025-05-15'"),
)
_WHOLE = Question("decisions of all pairs", _COMPARED)
# Every column of every row, as a query over all of them reads it.
_SCAN = "SELECT count(*), max(symbol), sum(amount), sum(price), sum(cash), max(model), max(date) FROM positions"


def main() -> None:
    """Measure each size and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--times", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--again", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    print(f"{Size().positions:,} rows of positions, and as many times; {machine()}\n", flush=True)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        told = [
            _measured(Path(folder), times, arguments.again, whole=place == 0)
            for place, times in enumerate(arguments.times)
        ]
    sizes = [f"{times}x" for times in arguments.times]
    print("Rebuilds, s: the first, then the median of those after it\n")
    print(table(("", *sizes), _rebuild_rows(told)))
    print(f"\nbudget at 1x: {REBUILD_BUDGET_SECONDS:g} s for all of them together")
    print("(n): the first one, in that of the first size\n")
    print("Questions, ms warm (in bare scans)\n")
    print(table(("", *sizes), _question_rows(told)))
    print(f"\nbudget at 1x: {QUESTION_BUDGET_MS:g} ms or {QUESTION_BUDGET_SCANS:g} bare scans")
    view, stored = told[0].whole
    print(f"\n{_WHOLE.name}: {1000 * view:.0f} ms, {view / stored:.1f} scans of a table with these rows")


@dataclass(frozen=True)
class Told:
    """Seconds of one size: of each rebuild the first and the later ones, of the scan and of each question.

    Attributes:
        whole: Of all of `decision_comparison`, by the view and as a table; not a number where it was not asked.
    """

    first: Sequence[float]
    later: Sequence[float]
    scan: float
    questions: Sequence[float]
    whole: tuple[float, float]


def _measured(folder: Path, times: int, again: int, *, whole: bool) -> Told:
    mart = folder / f"{times}x.duckdb"
    size = Size(models=200 * times)
    made = in_own_process("made", size.positions, made_seconds, mart, size)
    peak = in_own_process(
        "measured", size.positions, measured_seconds, mart, again, whole, mart.with_suffix(".told")
    )
    found = [float(line) for line in mart.with_suffix(".told").read_text().split()]
    mart.unlink()
    print(
        f"{times}x: {size.positions:,} positions, made in {made.seconds:.0f} s; rebuilds and questions took "
        f"{peak.peak_mib:.0f} MiB\n",
        flush=True,
    )
    n = len(REBUILDS)
    return Told(found[:n], found[n : 2 * n], found[2 * n], found[2 * n + 1 : -2], (found[-2], found[-1]))


def made_seconds(mart: Path, size: Size) -> float:
    """Make a mart; returns the seconds."""
    started = time.perf_counter()
    write_mart(mart, size)
    return time.perf_counter() - started


def measured_seconds(mart: Path, again: int, whole: bool, told: Path) -> float:
    """Rebuild and ask everything, and write the seconds into a file; returns their sum."""
    with duckdb.connect(str(mart)) as con:
        con.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        rounds = [[_seconds_of(con, rebuild) for rebuild in REBUILDS] for _ in range(1 + again)]
        later = [statistics.median(seconds) for seconds in zip(*rounds[1:], strict=True)]
        scan = _asked(con, Question("bare scan", _SCAN), again)
        asked = [_asked(con, question, again) for question in QUESTIONS]
        all_pairs = _whole(con, again) if whole else (math.nan, math.nan)
    seconds = [*rounds[0], *later, scan, *asked]
    told.write_text("\n".join(map(str, [*seconds, *all_pairs])))
    return math.fsum(seconds)


def _whole(con: Mart, again: int) -> tuple[float, float]:
    view = _asked(con, _WHOLE, again)
    con.execute("CREATE TEMP TABLE compared AS FROM decision_comparison")
    return view, _asked(con, Question("table", _WHOLE.query.replace("decision_comparison", "compared")), again)


def _seconds_of(con: Mart, rebuild: Rebuild) -> float:
    started = time.perf_counter()
    con.execute("BEGIN")
    rebuild.run(con)
    con.execute("COMMIT")
    return time.perf_counter() - started


def _asked(con: Mart, question: Question, again: int) -> float:
    """The median time of an answer, all of its rows fetched, once it has been given before."""
    seconds = []
    for _ in range(1 + max(again, 3)):
        started = time.perf_counter()
        con.execute(question.query, question.parameters).fetchall()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[1:])


def _rebuild_rows(told: Sequence[Told]) -> list[list[object]]:
    taken = [[(size.first[n], size.later[n]) for size in told] for n in range(len(REBUILDS))]
    rows = [*taken, [(math.fsum(size.first), math.fsum(size.later)) for size in told]]
    names = [*(rebuild.name for rebuild in REBUILDS), "all of them"]
    return [
        [name, *(f"{first:.2f}, {later:.2f} ({first / row[0][0]:.1f})" for first, later in row)]
        for name, row in zip(names, rows, strict=True)
    ]


def _question_rows(told: Sequence[Told]) -> list[list[object]]:
    rows: list[list[object]] = [["bare scan of positions", *(f"{1000 * size.scan:.1f}" for size in told)]]
    for n, question in enumerate(QUESTIONS):
        cells = [f"{1000 * size.questions[n]:.1f} ({size.questions[n] / size.scan:.1f})" for size in told]
        rows.append([question.name, *cells])
    return rows


if __name__ == "__main__":
    main()
