"""A process that runs slices of arenas as it is told to, for the tests of processes that overlap."""

import json
import sys
from pathlib import Path
from typing import Any

from aitrader_pipeline_tests.markets import open_arena, run


def main() -> None:
    """Run the slice of every line of the input, and tell on a line what became of it."""
    for line in sys.stdin:
        sys.stdout.write(json.dumps(perform(json.loads(line))) + "\n")
        sys.stdout.flush()


def perform(task: dict[str, Any]) -> dict[str, Any]:
    """Run one slice; a task without models only shows that the process is there."""
    waited: list[str] = []
    if not task["models"]:
        return {}
    arena = open_arena(Path(task["folder"]))
    outcome = run(
        arena, task["models"], task["days"], launch=task["launch"], owed=task["owed"], on_wait=waited.append
    )
    return {
        "done": len(outcome.done),
        "failures": [str(failed) for failed in outcome.failures],
        "waited": waited,
    }


if __name__ == "__main__":
    main()
