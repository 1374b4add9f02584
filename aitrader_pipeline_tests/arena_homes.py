"""Whole arenas in folders of their own: the command line run on them, and what they leave behind."""

import atexit
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from aitrader_pipeline.cli import main
from aitrader_pipeline.config import PROJECT_ROOT, Settings, load_settings
from aitrader_pipeline.definitions import build_definitions
from aitrader_pipeline.errors import ConfigError
from aitrader_pipeline.instance import opened_instance
from aitrader_pipeline.store.records import RecordStore
from aitrader_pipeline.trading.chains import Cell
from aitrader_pipeline.trading.record import SessionRecord
from aitrader_pipeline_tests.markets import OCT_02, Quotes, write_arena

# What would make an arena of a test another one, or the developer's own.
FOREIGN = (
    "AITRADER_CONFIG",
    "AITRADER_CONFIG_OVERRIDE",
    "AITRADER_HOME",
    "DAGSTER_HOME",
    "DAGSTER_EVENT_BATCH_SIZE",
)
LAUNCHING = ("run", "import-books", "prices")
TABLES = (
    "prices",
    "corporate_actions",
    "positions",
    "holdings",
    "daily_pnl",
    "reasoning_logs",
    "decision_log",
    "tool_usage",
    "llm_usage",
    "portfolio_timeseries",
    "performance_metrics",
    "leaderboard",
    "leaderboard_snapshots",
    "current_standings",
)
# Two runs of one and the same session differ in these: who launched it, and when and how fast it was.
INCIDENTAL = (
    "job_id",
    "created_at",
    "timestamp",
    "decided_at",
    "fetched_at",
    "total_duration_seconds",
    "latency_seconds",
)
# Every event on standard error would bury what a failing test has to say.
QUIET: Mapping[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_DECORATION = re.compile(r"\x1b\[[0-9;]*m|[│╭╮╰╯─]")


@dataclass(frozen=True)
class Answer:
    """What a command said, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """The messages in one line, without the frames and line breaks of a terminal."""
        return " ".join(_DECORATION.sub(" ", self.err).split())

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class ArenaHome:
    """An arena: its files in a folder, its environment, and `home`, which holds all that it makes."""

    folder: Path
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def variables(self) -> dict[str, str]:
        return {"AITRADER_HOME": str(self.folder / "home"), **self.environ}

    @property
    def home(self) -> Path:
        return Path(self.variables["AITRADER_HOME"])

    @property
    def settings(self) -> Settings:
        return load_settings(self.variables)

    @property
    def records(self) -> RecordStore:
        return RecordStore(self.home / "records")

    @property
    def mart(self) -> Path:
        return self.home / "aitrader.duckdb"

    def beside(self, name: str) -> "ArenaHome":
        """An arena of the same files and environment whose state lies elsewhere."""
        return replace(self, environ={**self.environ, "AITRADER_HOME": str(self.folder / name)})

    @contextmanager
    def entered(self) -> Iterator[None]:
        """This process in the arena's environment and folder, and nothing else's."""
        with pytest.MonkeyPatch.context() as patch:
            for variable in FOREIGN:
                # Set first: only then what the program sets itself is taken back as well.
                patch.setenv(variable, "")
                patch.delenv(variable)
            for variable, value in self.variables.items():
                patch.setenv(variable, value)
            patch.chdir(self.folder)
            yield

    def aitrader(self, *words: str) -> Answer:
        """Run the command line in this process."""
        out, err = io.StringIO(), io.StringIO()
        status: str | int | None = 0
        if words and words[0] in LAUNCHING:
            self._found()
        with self.entered(), pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["aitrader", *words])
            with redirect_stdout(out), redirect_stderr(err):
                try:
                    main()
                except SystemExit as end:
                    status = end.code
        return Answer(
            status if isinstance(status, int) else int(status is not None), out.getvalue(), err.getvalue()
        )

    def _found(self) -> None:
        """Give a new arena Dagster's empty databases, which take longer to make than most tests to run."""
        try:
            settings = self.settings
        except ConfigError:
            return
        home = settings.home / "dagster"
        if not home.exists() and not settings.home.is_symlink():
            shutil.copytree(_empty_dagster_home(), home)

    def ok(self, *words: str) -> Answer:
        """Run a command that has to succeed."""
        answer = self.aitrader(*words)
        if answer.status != 0:
            raise AssertionError(f"aitrader {' '.join(words)} ended with {answer.status}:\n{answer.err}")
        return answer

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start the command line as a process of its own."""
        return subprocess.Popen(
            [str(Path(sys.executable).with_name("aitrader")), *words],
            cwd=self.folder,
            env=clean_environment(self.variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        """The arena's own Dagster instance, in the arena's environment."""
        self._found()
        with self.entered(), opened_instance(self.settings) as instance:
            yield instance

    def materialise(self, *assets: str, **launch: Any) -> dg.ExecuteInProcessResult:
        """Run a selection as the UI launches it: one run, its partitions in its tags or its partition key."""
        with self.instance() as instance:
            job = build_definitions(self.settings).resolve_implicit_global_asset_job_def()
            return job.execute_in_process(
                run_config=QUIET,
                instance=instance,
                asset_selection=[dg.AssetKey(asset) for asset in assets],
                raise_on_error=False,
                **launch,
            )

    def all_records(self) -> dict[Cell, SessionRecord]:
        return {
            Cell(date, model): record
            for model in self.records.models()
            for date in self.records.dates(model)
            if (record := self.records.read(model, date)) is not None
        }

    def essences(self) -> dict[Cell, bytes]:
        """What every session did, without clock times and launches."""
        return {cell: record.essence() for cell, record in self.all_records().items()}

    def launches(self) -> dict[Cell, str]:
        return {cell: record.launch for cell, record in self.all_records().items()}

    def tables(self, names: Iterable[str] = TABLES) -> dict[str, list[tuple[Any, ...]]]:
        """The mart's rows, sorted, without the columns that differ from run to run."""
        with duckdb.connect(str(self.mart), read_only=True) as con:
            return {name: _rows_of(con.table(name)) for name in names}

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.mart), read_only=True) as con:
            return con.execute(query, list(parameters)).fetchall()

    def corrupt(self, *statements: str) -> None:
        """Change the mart behind the program's back."""
        with duckdb.connect(str(self.mart)) as con:
            for statement in statements:
                con.execute(statement)


@cache
def _empty_dagster_home() -> Path:
    """A Dagster home in which nothing has happened yet; made once in a process, which removes it when it ends."""
    folder = Path(tempfile.mkdtemp(prefix="empty-dagster-home-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    arena = ArenaHome(folder)
    with arena.entered(), opened_instance(arena.settings) as instance:
        instance.get_runs(limit=1)
    return arena.home / "dagster"


def sample_arena(folder: Path, first: str, last: str, models: Sequence[str] | None = None) -> ArenaHome:
    """The shipped sample arena, cut by an override file to some dates and, if told, some of its models."""
    config = json.loads((PROJECT_ROOT / "configs" / "default_config.json").read_text(encoding="utf-8"))
    override: dict[str, Any] = {"date_range": {"init_date": first, "end_date": last}}
    if models is not None:
        override["models"] = [entry for entry in config["models"] if entry["signature"] in models]
    path = folder / "override.json"
    path.write_text(json.dumps(override), encoding="utf-8")
    return ArenaHome(folder, {"AITRADER_CONFIG_OVERRIDE": str(path)})


def priced_arena(
    folder: Path, models: Sequence[Mapping[str, Any]], quotes: Quotes, *, first: str = OCT_02, **settings: Any
) -> ArenaHome:
    """An arena on prices of its own, in `config.json` and `prices.csv` of the folder."""
    write_arena(folder, models, quotes, first=first, **settings)
    return ArenaHome(folder, {"AITRADER_CONFIG": str(folder / "config.json")})


def reconfigure(arena: ArenaHome, **sections: Any) -> None:
    """Change sections of an arena's own config file; objects are merged, the rest is replaced."""
    path = arena.folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    for name, value in sections.items():
        config[name] = {**config.get(name, {}), **value} if isinstance(value, dict) else value
    path.write_text(json.dumps(config), encoding="utf-8")


def failures_of(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """The steps of a run that failed, and what each had to say."""
    return {
        str(event.step_key): data.user_failure_data.description or ""
        for event in result.all_events
        if event.is_step_failure and (data := event.step_failure_data).user_failure_data
    }


def clean_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process: this one's without any arena of its own."""
    inherited = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    return {**inherited, **variables}


def _rows_of(table: duckdb.DuckDBPyRelation) -> list[tuple[Any, ...]]:
    kept = [column for column in table.columns if column not in INCIDENTAL]
    return table.project(", ".join(kept)).order("ALL").fetchall()
