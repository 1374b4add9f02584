"""How sure the board is, and what that takes: 200 models x 252 sessions x 10,000 resamples.

    python -m benchmarks.bootstrap [--models 200] [--sessions 252] [--resamples 10000] [--arrivals 1 5]

All of it: intervals of return, Sharpe ratio and drawdown, the probability of being best, every pair's probability
and its adjusted p-value, the letters. Beside it a bare product of the matrices of the same size, which alone gives
no more than the sums of the resampled returns. With several arrivals the models begin on as many different
sessions: each pair is then compared on the sessions that both have.
"""

import argparse
import math
import time
from collections.abc import Sequence

import numpy as np

from aitrader_pipeline.ranking.bootstrap import Resampling, bootstrap
from aitrader_pipeline.ranking.figures import Floats
from aitrader_pipeline.ranking.resampling import counts_of, stationary_indices
from aitrader_pipeline.ranking.tie_groups import tie_groups
from benchmarks.measuring import in_own_process, machine, table

BUDGET_SECONDS = 10.0
_MEAN_BLOCK = 5.0


def main() -> None:
    """Measure each case in a process of its own and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--models", type=int, default=200)
    parser.add_argument("--sessions", type=int, default=252)
    parser.add_argument("--resamples", type=int, default=10_000)
    parser.add_argument("--arrivals", type=int, nargs="+", default=[1, 5])
    arguments = parser.parse_args()
    size = (arguments.sessions, arguments.models, arguments.resamples)
    print(f"{size[1]} models x {size[0]} sessions x {size[2]:,} resamples; {machine()}\n", flush=True)
    bare = in_own_process("bare matrix product", size[1], product_seconds, *size)
    rows: list[Sequence[object]] = [(bare.name, f"{bare.seconds:.3f}", "1", f"{bare.peak_mib:.0f}")]
    for arrivals in arguments.arrivals:
        name = "all of it" if arrivals == 1 else f"with {arrivals} arrivals"
        whole = in_own_process(name, size[1], bootstrap_seconds, *size, arrivals)
        rows.append(
            (whole.name, f"{whole.seconds:.3f}", f"{whole.seconds / bare.seconds:.0f}", f"{whole.peak_mib:.0f}")
        )
    print(table(("", "s", "of the product", "peak MiB"), rows))
    print(f"\nbudget: {BUDGET_SECONDS:g} s for all of it, on two cores")


def returns_of(sessions: int, models: int, arrivals: int) -> Floats:
    """Simulated returns of models that share a market and begin on a number of different sessions."""
    rng = np.random.default_rng(1)
    returns = rng.normal(0.0005, 0.01, (sessions, models)) + rng.normal(0, 0.008, (sessions, 1))
    for model in range(models):
        returns[: model % arrivals * sessions // (2 * arrivals), model] = math.nan
    return returns


def product_seconds(sessions: int, models: int, resamples: int) -> float:
    """Seconds of the product of the resampled weights and the returns."""
    returns = returns_of(sessions, models, 1)
    drawn = stationary_indices(sessions=sessions, resamples=resamples, mean_block=_MEAN_BLOCK, seed=0)
    weights = counts_of(drawn).T.copy()
    weights @ returns
    started = time.perf_counter()
    weights @ returns
    return time.perf_counter() - started


def bootstrap_seconds(sessions: int, models: int, resamples: int, arrivals: int) -> float:
    """Seconds from the returns to the letters of the board."""
    returns = returns_of(sessions, models, arrivals)
    started = time.perf_counter()
    result = bootstrap(returns, Resampling(resamples=resamples))
    order = np.argsort([-(m.total_return_pct.value or 0) for m in result.models]).tolist()
    groups = tie_groups(result.by_return, order)
    seconds = time.perf_counter() - started
    if not all(group.letters for group in groups):
        raise RuntimeError("a model of the board has no letter")
    return seconds


if __name__ == "__main__":
    main()
