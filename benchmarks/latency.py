"""Whether models wait for each other: 10 models x 20 sessions that take 2 s each, against the longest chain.

    python -m benchmarks.latency [--models 10] [--sessions 20] [--seconds 2]

The models are behind an OpenAI-compatible server on this machine, which answers each session's only call after
that time. No model can be done sooner than its own sessions one after the other: that is the ideal.
"""

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aitrader_pipeline.trading.chains import Cell
from aitrader_pipeline_tests.arena_homes import ArenaHome
from aitrader_pipeline_tests.markets import ENVIRON, model
from aitrader_pipeline_tests.openai_server import OpenAIServer, after, finishes, openai_server
from benchmarks.arenas import sessions, write_arena
from benchmarks.measuring import Measure, backfill, command, machine, table

BUDGET = 1.25


def main() -> None:
    """Run the model-days by command and by a backfill, and print both against the ideal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--models", type=int, default=10)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=2.0, help="how long a session's model thinks")
    arguments = parser.parse_args()
    ideal = arguments.sessions * arguments.seconds
    with openai_server() as server, tempfile.TemporaryDirectory() as folder:
        models = [_thinker(server, f"thinker-{i:02}", arguments.seconds) for i in range(arguments.models)]
        dates = sessions()[-arguments.sessions :]
        by_command = write_arena(Path(folder) / "run", models, dates, **ENVIRON)
        by_backfill = write_arena(Path(folder) / "backfill", models, dates, **ENVIRON)
        cells = [Cell(date, str(entry["signature"])) for date in dates for entry in models]
        print(f"{len(cells)} model-days of {arguments.seconds:g} s; ideal: {ideal:g} s; {machine()}\n", flush=True)
        rows = [
            _row(by_command, command("`aitrader run`", len(cells), by_command, "run"), ideal),
            _row(by_backfill, backfill(by_backfill, cells), ideal),
        ]
    print(table(("launched by", "sessions, s", "of the ideal", "all of it, s", "of the ideal", "peak MiB"), rows))
    print(f"\nbudget: {BUDGET:g} of the ideal for the sessions")


def _thinker(server: OpenAIServer, signature: str, seconds: float) -> Mapping[str, Any]:
    server.respond(signature, lambda _: after(seconds, finishes()))
    return model(signature, server.base_url)


def _row(arena: ArenaHome, measure: Measure, ideal: float) -> Sequence[object]:
    """A row of the table; the sessions count from the first one's start to the last one's end."""
    records = arena.all_records().values()
    if len(records) != measure.cells:
        raise RuntimeError(f"{measure.name}: {len(records)} of {measure.cells} model-days have a record")
    span = max(r.finished_at for r in records) - min(r.started_at for r in records)
    seconds = span.total_seconds()
    of_ideal = (f"{seconds / ideal:.2f}", f"{measure.seconds / ideal:.2f}")
    return measure.name, seconds, of_ideal[0], measure.seconds, of_ideal[1], f"{measure.peak_mib:.0f}"


if __name__ == "__main__":
    main()
