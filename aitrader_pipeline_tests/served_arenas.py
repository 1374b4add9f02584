"""An arena as people have it: its UI and daemon as processes of their own, spoken to as the browser does."""

import datetime as dt
import re
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import httpx2
import psutil

from aitrader_pipeline.catalog import BOOKS, SESSIONS
from aitrader_pipeline.partitions import Block
from aitrader_pipeline.trading.chains import Cell
from aitrader_pipeline_tests.arena_homes import ArenaHome, clean_environment

T = TypeVar("T")
Part = Literal["webserver", "daemon", "code server", "run"]

EVERY_BOOK = (SESSIONS, *BOOKS)
_MARK = "AITRADER_TEST_SERVED"
_START_SECONDS = 120.0
_POLL_SECONDS = 0.2
# By what a command line tells the parts apart; a run has that of the older one from which it was forked.
_COMMANDS: dict[Part, str] = {
    "webserver": "-m dagster_webserver",
    "daemon": "-m dagster._daemon run",
    "code server": "-m dagster api grpc",
    "run": "multiprocessing.forkserver",
}
_PARENT = "-m dagster dev"
_UNFINISHED = ("QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING")
_OPEN = ("REQUESTED", "CANCELING", "FAILING")
_JOB = {
    "repositoryName": "__repository__",
    "repositoryLocationName": "aitrader",
    "pipelineName": "__ASSET_JOB",
}

_STATE = """
{
  instance { daemonHealth { allDaemonStatuses { required healthy } } }
  workspaceOrError { ... on Workspace { locationEntries {
    loadStatus locationOrLoadError { __typename ... on PythonError { message } }
  } } }
}
"""
_BACKFILL = """
mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on Error { message }
} }
"""
_LAUNCH = """
mutation($params: ExecutionParams!) { launchRun(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { id } } ... on Error { message }
  ... on RunConfigValidationInvalid { errors { message } }
} }
"""
_CANCEL = """
mutation($id: String!) { cancelPartitionBackfill(backfillId: $id) { __typename ... on Error { message } } }
"""
_BACKFILL_STATUS = """
query($id: String!) { partitionBackfillOrError(backfillId: $id) {
  ... on PartitionBackfill { status } ... on Error { message }
} }
"""
_RUNS = "query($filter: RunsFilter!) { runsOrError(filter: $filter) { ... on Runs { results { id status } } } }"
_GRID = """
query($asset: AssetKeyInput!) { assetNodes(assetKeys: [$asset]) { assetPartitionStatuses {
  ... on MultiPartitionStatuses { ranges { primaryDimStartKey primaryDimEndKey secondaryDim {
    ... on DefaultPartitionStatuses { materializedPartitions }
  } } }
} } }
"""
_RELOAD = """
mutation { reloadRepositoryLocation(repositoryLocationName: "aitrader") {
  ... on WorkspaceLocationEntry { locationOrLoadError { __typename } }
  ... on Error { message }
} }
"""
_RUN_STATUS = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } ... on Error { message } } }"


@dataclass(frozen=True)
class ServedArena:
    """An arena whose UI and daemon run; `arena` gives commands in this process the same Dagster home."""

    arena: ArenaHome
    url: str
    log: Path
    mark: str
    _client: httpx2.Client = field(default_factory=lambda: httpx2.Client(timeout=60, trust_env=False))

    def graphql(self, query: str, **variables: Any) -> Any:
        """Ask as the UI does; an error in the answer is raised."""
        response = self._client.post(f"{self.url}/graphql", json={"query": query, "variables": variables})
        answer = response.json()
        if "errors" in answer:
            raise RuntimeError("; ".join(error["message"] for error in answer["errors"]))
        return answer["data"]

    def backfill(self, cells: Iterable[Cell], assets: Sequence[str] = EVERY_BOOK) -> str:
        """Launch these model-days as the dialog *Materialize* does; returns the backfill's id."""
        params = {
            "assetSelection": [{"path": [asset]} for asset in assets],
            "partitionNames": [str(cell) for cell in sorted(cells)],
            "tags": [],
        }
        answer = self.graphql(_BACKFILL, params=params)["launchPartitionBackfill"]
        return str(_accepted(answer, "LaunchBackfillSuccess")["backfillId"])

    def launch(
        self, block: Block, assets: Sequence[str] = EVERY_BOOK, *, run_config: Mapping[str, Any] | None = None
    ) -> str:
        """Launch a rectangle as one run; returns its id."""
        selector = {**_JOB, "assetSelection": [{"path": [asset]} for asset in assets]}
        tags = [{"key": key, "value": value} for key, value in block.tags().items()]
        params = {
            "selector": selector,
            "mode": "default",
            "runConfigData": dict(run_config or {}),
            "executionMetadata": {"tags": tags},
        }
        answer = self.graphql(_LAUNCH, params=params)["launchRun"]
        return str(_accepted(answer, "LaunchRunSuccess")["run"]["id"])

    def cancel(self, backfill_id: str) -> None:
        """Cancel a backfill with its runs."""
        answer = self.graphql(_CANCEL, id=backfill_id)["cancelPartitionBackfill"]
        _accepted(answer, "CancelBackfillSuccess")

    def wait(self, backfill_id: str, timeout: float) -> str:
        """Wait until a backfill and all its runs are over; returns its status.

        The daemon looks at backfills every 30 seconds, so this takes longer than the work.
        """

        def status() -> str | None:
            found = str(self.graphql(_BACKFILL_STATUS, id=backfill_id)["partitionBackfillOrError"]["status"])
            unfinished = any(run in _UNFINISHED for run in self.runs_of(backfill_id).values())
            return None if found in _OPEN or unfinished else found

        return _until(status, timeout, f"the backfill {backfill_id} is not over")

    def runs_of(self, backfill_id: str) -> dict[str, str]:
        """The runs that a backfill has been cut into so far, and their states."""
        tags = [{"key": "dagster/backfill", "value": backfill_id}]
        runs = self.graphql(_RUNS, filter={"tags": tags})["runsOrError"]["results"]
        return {str(run["id"]): str(run["status"]) for run in runs}

    def green(self, dates: Sequence[dt.date], asset: str = SESSIONS) -> set[Cell]:
        """Those of an asset's model-days on these dates that its grid shows as materialised, and not as failed."""
        (node,) = self.graphql(_GRID, asset={"path": [asset]})["assetNodes"]
        return {
            Cell(date, model)
            for span in node["assetPartitionStatuses"]["ranges"]
            for model in span["secondaryDim"]["materializedPartitions"]
            for date in dates
            if span["primaryDimStartKey"] <= date.isoformat() <= span["primaryDimEndKey"]
        }

    def wait_run(self, run_id: str, timeout: float) -> str:
        """Wait until a run is over; returns its status."""

        def status() -> str | None:
            found = str(self.graphql(_RUN_STATUS, id=run_id)["runOrError"]["status"])
            return None if found in _UNFINISHED else found

        return _until(status, timeout, f"the run {run_id} is not over")

    def reload(self) -> None:
        """Load the code anew as the UI's button *Reload* does, until it is; a dead code server is replaced."""

        def loaded() -> bool:
            answer = self.graphql(_RELOAD)["reloadRepositoryLocation"]
            return bool(answer.get("locationOrLoadError", {}).get("__typename") == "RepositoryLocation")

        _until(loaded, _START_SECONDS, "the code is not loaded")

    def wait_for_end(self, timeout: float) -> None:
        """Wait until the UI has ended, as it does by itself when its webserver or daemon dies; its runs go on."""

        def over() -> bool:
            return not any(_PARENT in command for command in _processes(self.mark).values())

        _until(over, timeout, "the UI has not ended")

    def kill(self) -> None:
        """Kill every process of it at once, runs included, as a power cut would."""

        def gone() -> bool:
            processes = _processes(self.mark)
            for process in processes:
                _kill(process)
            return not processes

        _until(gone, 30, "its processes do not die")

    def kill_one(self, part: Part) -> bool:
        """Kill one part of it, or the newest of its runs; says whether there was such a process."""
        processes = _processes(self.mark)
        found = [process for process, command in processes.items() if _COMMANDS[part] in command]
        if part == "run":
            forked = [child for source in found[:1] for child in source.children()]
            found = [process for process in found if process in forked]
        for process in found[-1:]:
            _kill(process)
        return bool(found)


@contextmanager
def served(arena: ArenaHome, *, run_slots: int | None = None) -> Iterator[ServedArena]:
    """Serve an arena until the end of the block; nothing of it is left after that.

    Args:
        arena: what is served; its prices are loaded by its own automation if nobody has done it before.
        run_slots: how many runs there may be at once, where it is not what the project says.
    """
    if run_slots is not None:
        arena = _with_run_slots(arena, run_slots)
    mark = uuid.uuid4().hex
    url = f"http://127.0.0.1:{_free_port()}"
    log = arena.folder / "served.log"
    with log.open("a") as output:
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("aitrader")), "ui", "--port", url.rpartition(":")[2]],
            cwd=arena.folder,
            env={**clean_environment(arena.variables), _MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    ui = ServedArena(arena, url, log, mark)
    try:
        _until(lambda: _is_ready(ui, process), _START_SECONDS, f"the UI is not ready, see {log}")
        yield ui
    finally:
        ui.kill()
        process.wait()
        ui._client.close()


def _is_ready(ui: ServedArena, process: subprocess.Popen[bytes]) -> bool:
    """Whether the code is loaded and every daemon has given a sign of life."""
    if process.poll() is not None:
        raise RuntimeError(f"the UI has ended with {process.returncode}:\n{ui.log.read_text()[-2000:]}")
    try:
        state = ui.graphql(_STATE)
    except httpx2.TransportError:
        return False
    for entry in state["workspaceOrError"]["locationEntries"]:
        if entry["loadStatus"] != "LOADED":
            return False
        _accepted(entry["locationOrLoadError"], "RepositoryLocation")
    daemons = state["instance"]["daemonHealth"]["allDaemonStatuses"]
    return all(daemon["healthy"] for daemon in daemons if daemon["required"])


def _with_run_slots(arena: ArenaHome, slots: int) -> ArenaHome:
    """The arena with a Dagster home of its own settings; its databases lie where they would anyway."""
    with arena.instance():
        pass
    home = arena.home / "dagster"
    settings = home / "dagster.yaml"
    text = settings.read_text(encoding="utf-8")
    text, found = re.subn(r"max_concurrent_runs: \d+", f"max_concurrent_runs: {slots}", text)
    if found != 1:
        raise ValueError(f"{settings} limits the runs in {found} places")
    settings.write_text(text, encoding="utf-8")
    return replace(arena, environ={**arena.environ, "DAGSTER_HOME": str(home)})


def _accepted(answer: dict[str, Any], expected: str) -> dict[str, Any]:
    if answer["__typename"] != expected:
        raise RuntimeError(f"{answer}")
    return answer


def _until(look: Callable[[], T | None], timeout: float, complaint: str) -> T:
    """The first answer that is something."""
    end = time.monotonic() + timeout
    while not (answer := look()):
        if time.monotonic() > end:
            raise TimeoutError(f"{complaint} after {timeout:g} seconds")
        time.sleep(_POLL_SECONDS)
    return answer


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _processes(mark: str) -> dict[psutil.Process, str]:
    """The living processes that have the mark in their environment with their command lines, oldest first."""
    found: dict[psutil.Process, str] = {}
    for process in psutil.process_iter():
        # A process may end while it is looked at, and those of others may not be looked at.
        with suppress(psutil.Error):
            if process.environ().get(_MARK) == mark:
                found[process] = " ".join(process.cmdline())
    return dict(sorted(found.items(), key=lambda item: item[0].create_time()))


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.kill()
