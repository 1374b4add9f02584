"""Whether kill -9 costs anything: processes killed at random moments, then everything as if nothing had happened.

    python -m benchmarks.kills [--kills 50] [--models 10] [--sessions 20] [--seed N] [--pause 10]

A backfill of the committed sample by baselines and by models behind an endpoint of this machine is launched in the
UI. Again and again one of its runs, the daemon, the webserver, the code server or everything at once is killed, or
a command line that runs the same slice. What has died is started again, and what is missing is launched again, as
users do; once nothing is missing the whole slice is run anew over itself. After the last kill, and one more launch
at most, the arena has to be what an arena is to which nothing has happened.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import duckdb

from aitrader_pipeline.trading.chains import Cell
from aitrader_pipeline_tests.arena_homes import ArenaHome
from aitrader_pipeline_tests.openai_server import openai_server
from aitrader_pipeline_tests.served_arenas import Part, ServedArena, served
from benchmarks.measuring import machine, table
from benchmarks.scripted import scripted_arena
from benchmarks.standing import complaints, differences, under_way

Victim = Literal["run", "daemon", "webserver", "code server", "everything", "command"]
# How often each is killed: a run is what works, and what can die soonest again.
_SHARES: dict[Victim, int] = {
    "run": 10,
    "command": 5,
    "everything": 4,
    "daemon": 2,
    "webserver": 2,
    "code server": 2,
}
# A run that the daemon was about to start when it died is given up after three minutes, and then tried again.
_PATIENCE_SECONDS = 900.0
# A user who sees nothing run does not wait that long and launches again.
_IMPATIENCE_SECONDS = 20.0
# What follows from finished sessions is done by sensors, which look twice a minute.
_SETTLING_SECONDS = 180.0
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Kill:
    """What was killed, after how many seconds, with how many model-days standing, and the newest backfill."""

    victim: Victim
    at: float
    standing: int
    launch: str


@dataclass
class Storm:
    """A backfill under fire.

    Attributes:
        arena: where it happens.
        undisturbed: the same arena, to which nothing happens.
        cells: what is to be run.
        draw: when the next kill is.
        pause: seconds between two kills, at most.
        kills: what has been killed so far.
        launches: the backfills that were launched so far.
    """

    arena: ArenaHome
    undisturbed: ArenaHome
    cells: frozenset[Cell]
    draw: random.Random
    pause: float
    kills: list[Kill] = field(default_factory=list)
    launches: list[str] = field(default_factory=list)
    _ui: ServedArena = field(init=False)
    _servings: ExitStack = field(default_factory=ExitStack)
    _started: float = field(default_factory=time.monotonic)

    def rage(self, victims: Sequence[Victim], on_kill: Callable[[Kill], None] = lambda _: None) -> list[str]:
        """Kill these one after the other, then go on until nothing is under way and nothing is missing.

        Returns:
            Where the arena is not what the undisturbed one is, after some time to settle.

        Raises:
            TimeoutError: something is under way for ever.
        """
        with self._servings:
            self._serve()
            self._launch(self.cells)
            for victim in victims:
                self._strike(victim)
                on_kill(self.kills[-1])
            self._wait_until_idle()
            if missing := self._missing():
                self._launch(missing)
                self._wait_until_idle()
            self._wait_until_settled()
        return [*differences(self.arena, self.undisturbed), *complaints(self.arena)]

    def _serve(self) -> None:
        # One that has died may have left runs, which go on; they end with the others.
        self._ui = self._servings.enter_context(served(self.arena))

    def _missing(self) -> frozenset[Cell]:
        return self.cells - self._ui.green(sorted({cell.date for cell in self.cells}))

    def _launch(self, cells: frozenset[Cell]) -> None:
        self.launches.append(self._ui.backfill(cells))

    def _launch_again(self) -> None:
        """Launch what is missing, or everything over itself where nothing is."""
        self._launch(self._missing() or self.cells)

    def _strike(self, victim: Victim) -> None:
        if not under_way(self.arena):
            self._launch_again()
        after = self.draw.uniform(0, self.pause)
        if victim == "command":
            self._strike_command(after)
            return
        time.sleep(after)
        if victim == "everything":
            self._count(victim)
            self._ui.kill()
        else:
            self._strike_part(victim)
        if victim == "code server":
            self._ui.reload()
        elif victim != "run":
            self._ui.wait_for_end(_PATIENCE_SECONDS)
            self._serve()

    def _strike_part(self, part: Part) -> None:
        patient_until = time.monotonic() + _IMPATIENCE_SECONDS
        while not self._ui.kill_one(part):
            if time.monotonic() > patient_until:
                self._launch_again()
                patient_until = time.monotonic() + _PATIENCE_SECONDS
            time.sleep(_POLL_SECONDS)
        self._count(part)

    def _strike_command(self, after: float) -> None:
        process = self.arena.start("run", *([] if self._standing() < len(self.cells) else ["--replace"]))
        try:
            # It takes some seconds until it has begun.
            time.sleep(2 * after)
        finally:
            process.kill()
            process.communicate()
        self._count("command")

    def _count(self, victim: Victim) -> None:
        self.kills.append(Kill(victim, time.monotonic() - self._started, self._standing(), self.launches[-1]))

    def _standing(self) -> int:
        return sum(len(self.arena.records.dates(model)) for model in self.arena.records.models())

    def _wait_until_idle(self) -> None:
        end = time.monotonic() + _PATIENCE_SECONDS
        while busy := under_way(self.arena):
            if time.monotonic() > end:
                raise TimeoutError(f"still under way after {_PATIENCE_SECONDS:g} seconds: {', '.join(busy)}")
            time.sleep(_POLL_SECONDS)

    def _wait_until_settled(self) -> None:
        end = time.monotonic() + _SETTLING_SECONDS
        while time.monotonic() < end:
            # A sensor may hold the mart at this moment.
            with suppress(duckdb.IOException):
                if not differences(self.arena, self.undisturbed):
                    return
            time.sleep(1)


def main() -> None:
    """Run the storm beside an undisturbed arena, print what was killed when, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--models", type=int, default=10)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pause", type=float, default=10.0, help="seconds between two kills, at most")
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    victims = draw.choices(tuple(_SHARES), tuple(_SHARES.values()), k=arguments.kills)
    folder = Path(tempfile.mkdtemp(prefix="kills-"))
    with openai_server() as server:
        arena, cells = scripted_arena(folder, server, arguments.models, arguments.sessions)
        print(f"{len(cells)} model-days, {len(victims)} kills, seed {arguments.seed}; {machine()}", flush=True)
        undisturbed = arena.beside("undisturbed")
        undisturbed.ok("run")
        storm = Storm(arena, undisturbed, cells, draw, arguments.pause)
        found = storm.rage(victims, lambda kill: print(_line(kill), flush=True))
    print(_summary(storm.kills, storm.launches))
    if found:
        print("\n".join([f"\n{folder} is not what an undisturbed arena is:", *found]))
        sys.exit(1)
    shutil.rmtree(folder)
    print(f"\nAll {len(cells)} model-days stand, records and tables are those of an undisturbed arena.")


def _line(kill: Kill) -> str:
    return f"{kill.at:7.1f} s  {kill.victim:11}  {kill.standing} stand, backfill {kill.launch}"


def _summary(kills: Sequence[Kill], launches: Sequence[str]) -> str:
    rows = [(victim, sum(kill.victim == victim for kill in kills)) for victim in _SHARES]
    return f"\n{table(('killed', 'times'), rows)}\n\n{len(launches)} backfills were launched"


if __name__ == "__main__":
    main()
