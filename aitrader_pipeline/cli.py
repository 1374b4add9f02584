"""The command line: ``aitrader …``. Answers go to standard output, messages to standard error."""

import datetime as dt
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from aitrader_pipeline.cli_fake_openai import fake_openai
from aitrader_pipeline.cli_mcp import mcp_app
from aitrader_pipeline.cli_options import DAY, Date, First, Format, Last, parsed_date
from aitrader_pipeline.config import PROJECT_ROOT, Settings, load_settings, read_dotenv
from aitrader_pipeline.errors import ArenaError, CallError, ConfigError, NoDataError
from aitrader_pipeline.results.queries import Row, get_leaderboard, get_portfolio_timeseries, get_results
from aitrader_pipeline.results.render import OutputFormat, show

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from aitrader_pipeline.automation.launching import Launcher, RefusedBars
    from aitrader_pipeline.partitions import Axes

app = typer.Typer(
    help="An arena for one question: can this model trade?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(mcp_app, name="mcp")
app.command("fake-openai")(fake_openai)
_messages = Console(stderr=True, highlight=False)

_BOARD_COLUMNS = (
    "rank",
    "model",
    "kind",
    "portfolio_value",
    "cumulative_return_pct",
    "sharpe_ratio",
    "max_drawdown_pct",
    "trades",
    "sessions",
)
_COST_COLUMNS = ("inference_cost_usd", "cost_per_trade_usd", "net_return_pct")
_SHOWN_REFUSALS = 10
_MODELS_NAMED = 3
# As a shell has it for a program that Ctrl-C has ended.
_INTERRUPTED = 130


@app.command()
def run(
    start: First = None,
    end: Last = None,
    models: Annotated[str | None, typer.Option(help="Signatures, comma-separated; default: all enabled.")] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Run finished model-days again and replace them.")
    ] = False,
    stale: Annotated[
        bool,
        typer.Option("--stale", help="Run again, from each model's first stale model-day on, what is finished."),
    ] = False,
) -> None:
    """Run what is missing of a slice: sessions, books, metrics, leaderboard."""
    from aitrader_pipeline.automation.launching import Slice

    wanted = Slice(start, end, _names(models), replace, stale)
    with _launcher(load_settings()) as (launcher, progress):
        _warn_of(launcher.load_prices())
        plan = launcher.plan(wanted)
        progress.start(len(plan.to_trade))
        report = launcher.run(plan, replace=replace or stale)
        left_stale = launcher.stale()
    standing = len(plan.wanted) - len(plan.to_trade)
    if plan.to_trade:
        _say(f"{report.traded} of {len(plan.to_trade)} model-days run; {standing} stood already.")
    else:
        newest = max(cell.date for cell in plan.wanted)
        _say(f"Up to date: {standing} model-days stand through {newest}.")
    if left_stale:
        models_left = ", ".join(sorted({cell.model for cell in left_stale}))
        _say(
            f"{len(left_stale)} finished model-days are stale: they would be given another book or other prices "
            f"today ({models_left}). `aitrader run --stale` runs them again."
        )
    _fail_on(report.failures)


@app.command()
def replay(
    start: First = None,
    end: Last = None,
    models: Annotated[str | None, typer.Option(help="Signatures, comma-separated; default: all enabled.")] = None,
    accept_differences: Annotated[
        bool,
        typer.Option(
            "--accept-differences",
            help="Take the answers in their order where something else is asked, as after a change of costs.",
        ),
    ] = False,
) -> None:
    """Run a slice again from its recordings: no endpoint, no key, no cost; the records are replaced."""
    from aitrader_pipeline.automation.launching import Slice

    with _launcher(load_settings()) as (launcher, progress):
        _warn_of(launcher.load_prices())
        plan = launcher.plan(Slice(start, end, _names(models), replace=True))
        progress.start(len(plan.to_trade))
        report = launcher.run(plan, replace=True, replay=True, accept_differences=accept_differences)
    _say(f"{report.traded} of {len(plan.to_trade)} model-days replayed.")
    _fail_on(report.failures)


@app.command("import-books")
def import_books(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Holds <signature>/position/position.jsonl.")],
    accept_breaches: Annotated[
        bool,
        typer.Option("--accept-breaches", help="Take a book that breaks the rules, each breach flagged."),
    ] = False,
) -> None:
    """Take recorded books as sessions of their models, through the ledger, and score them."""
    from aitrader_pipeline.automation.importing import import_books as import_all

    settings = load_settings()
    with _launcher(settings) as (launcher, _):
        _warn_of(launcher.load_prices())
        books = import_all(settings, folder, accept_breaches=accept_breaches)
    cells = [cell for book in books for cell in book.cells]
    # Imported models join the axis of models, so the definitions are loaded anew.
    with _launcher(settings) as (launcher, _):
        launcher.report_sessions(cells)
        launcher.forget(cell for book in books for cell in book.removed)
        report = launcher.score(cells)
    for book in books:
        flagged = f", {len(book.breaches)} breaches flagged" if book.breaches else ""
        _say(f"{book.model}: {len(book.cells)} sessions from {book.file}{flagged}")
    _fail_on(report.failures)


@app.command()
def leaderboard(date: Date = None, output: Format = OutputFormat.TABLE) -> None:
    """The standings, newest by default."""
    settings = load_settings()
    answer = get_leaderboard(settings.mart_path, date, risk_free_rate=settings.config.metrics.risk_free_rate)
    rows = answer["leaderboard"]
    if output is OutputFormat.TABLE:
        has_costs = any(row["inference_cost_usd"] is not None for row in rows)
        columns = _BOARD_COLUMNS + (_COST_COLUMNS if has_costs else ())
        rows = [{name: row[name] for name in columns} for row in rows]
    show(answer, rows, output, title=f"Leaderboard at the close of {answer['date']}")


@app.command()
def timeseries(
    model: Annotated[str, typer.Argument(help="A signature, or the benchmark's symbol.")],
    start: First = None,
    end: Last = None,
    output: Format = OutputFormat.TABLE,
) -> None:
    """A portfolio's value and returns, session by session."""
    answer = get_portfolio_timeseries(load_settings().mart_path, model, start, end)
    show(answer, answer["timeseries"], output, title=model)


@app.command()
def results(
    date: Annotated[dt.date, typer.Option(parser=parsed_date, metavar=DAY, help="A session.")],
    model: Annotated[str | None, typer.Option(help="A signature; all by default.")] = None,
    detail: Annotated[str, typer.Option(help="minimal, or full: with trades and reasoning.")] = "minimal",
    output: Format = OutputFormat.TABLE,
) -> None:
    """What the models did and earned on a session."""
    if detail not in ("minimal", "full"):
        raise CallError(f"--detail {detail}: use minimal or full")
    answer = get_results(load_settings().mart_path, date, model, "full" if detail == "full" else "minimal")
    show(answer, [_flat(result) for result in answer["results"]], output, title=f"Results of {date}")


@app.command()
def spending(output: Format = OutputFormat.TABLE) -> None:
    """What the model calls have cost in all, those of failed and of replaced sessions included."""
    from aitrader_pipeline.trading.spending import Journal

    rows = Journal(load_settings().home).by_model()
    if not rows:
        raise NoDataError("no model has been called yet: run `aitrader run`")
    show({"spending": rows}, rows, output, title="Model calls of all launches")


@app.command()
def jobs(
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    output: Format = OutputFormat.TABLE,
) -> None:
    """The newest launches, however they were made, with their progress."""
    from aitrader_pipeline.automation.jobs import job_shape, jobs_of

    settings = load_settings()
    with _instance(settings) as (instance, axes):
        answer = [job_shape(job, with_details=False) for job in jobs_of(settings, axes, instance, limit)]
    if not answer:
        raise NoDataError("no job has been launched yet: run `aitrader run`")
    show({"jobs": answer}, [_job_row(job) for job in answer], output, title="Jobs")


@app.command()
def status(
    job_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="A job's id, or its beginning.")] = None,
    output: Format = OutputFormat.TABLE,
) -> None:
    """One launch and each of its model-days; the newest by default."""
    from aitrader_pipeline.automation.jobs import job_of, job_shape

    settings = load_settings()
    with _instance(settings) as (instance, axes):
        answer = job_shape(job_of(settings, axes, instance, job_id), with_details=True)
    if output is OutputFormat.TABLE:
        show(answer, [_job_row(answer)], output, title=f"Job {answer['job_id']}")
    show(answer, answer["progress"]["details"], output)


@app.command()
def doctor(output: Format = OutputFormat.TABLE) -> None:
    """What is configured, present and missing."""
    from aitrader_pipeline.results.doctor import examine

    findings = [finding.row() for finding in examine()]
    show(findings, findings, output)
    if any(row["state"] == "problem" for row in findings):
        raise typer.Exit(1)


@app.command()
def ui(port: Annotated[int, typer.Option(help="The webserver's port.")] = 3000) -> None:
    """Start Dagster's webserver and daemon for the active arena; Ctrl-C ends both."""
    from aitrader_pipeline.automation.reloading import UI_URL_VARIABLE
    from aitrader_pipeline.instance import prepare_dagster_home

    settings = load_settings()
    prepare_dagster_home(settings)
    os.environ["AITRADER_HOME"] = str(settings.home)
    os.environ["AITRADER_CONFIG"] = str(settings.config_path)
    if settings.override_path is not None:
        os.environ["AITRADER_CONFIG_OVERRIDE"] = str(settings.override_path)
    os.environ[UI_URL_VARIABLE] = f"http://127.0.0.1:{port}"
    _say(f"The arena's UI: {os.environ[UI_URL_VARIABLE]}  (Ctrl-C ends it)")
    # A shell without job control starts programs deaf to Ctrl-C, and Dagster's servers would outlive it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.chdir(settings.home)
    # The program is this environment's own, its arguments a constant and a number.
    os.execv(  # noqa: S606 # nosec B606
        sys.executable,
        [
            sys.executable,
            "-m",
            "dagster",
            "dev",
            "-w",
            str(PROJECT_ROOT / "workspace.yaml"),
            "-h",
            "127.0.0.1",
            "-p",
            str(port),
        ],
    )


class _Bar:
    """The progress bar of a run; it appears once there is something to count."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("model-days", total=None, newest="")

    def start(self, total: int) -> None:
        if total:
            self._progress.update(self._task, total=total)
            self._progress.start()

    def advance(self, newest: str) -> None:
        self._progress.update(self._task, advance=1, newest=newest)


@contextmanager
def _instance(settings: Settings) -> Iterator[tuple["DagsterInstance", "Axes"]]:
    """The arena's own Dagster instance, without runs whose process is gone, and the arena's axes."""
    from aitrader_pipeline.automation.abandoned import end_abandoned_runs
    from aitrader_pipeline.instance import opened_instance
    from aitrader_pipeline.partitions import axes_of

    with opened_instance(settings) as instance:
        for run_id in end_abandoned_runs(instance):
            _say(f"run {run_id} was marked as failed: its process is gone")
        yield instance, axes_of(settings)


@contextmanager
def _launcher(settings: Settings) -> Iterator[tuple["Launcher", _Bar]]:
    """A launcher on the arena's own Dagster instance, with a progress bar on standard error."""
    from aitrader_pipeline.automation.launching import Launcher

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[newest]}"),
    )
    progress = Progress(*columns, console=_messages)
    bar = _Bar(progress)
    with _instance(settings) as (instance, _):
        try:
            yield Launcher(settings, instance, lambda r: bar.advance(f"{r.model} {r.date}")), bar
        except KeyboardInterrupt:
            _say("interrupted; what is finished is kept: the same command goes on from there", style="red")
            raise typer.Exit(_INTERRUPTED) from None
        finally:
            if progress.live.is_started:
                progress.stop()


def _names(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise CallError("--models names no model; separate signatures by commas")
    return names


def _flat(result: Row) -> Row:
    """A result as one row: holdings as text, figures side by side."""
    positions = dict(result["positions"])
    cash = positions.pop("CASH")
    profit = result["daily_pnl"]
    row: Row = {
        "model": result["model"],
        "cash": cash,
        "holdings": ", ".join(f"{symbol} {shares}" for symbol, shares in positions.items()) or "none",
        "profit": profit["profit"],
        "return_pct": profit["return_pct"],
        "portfolio_value": profit["portfolio_value"],
    }
    if "trades" in result:
        trades = (f"{t['action']} {t['symbol']} {t['amount']} at {t['price']}" for t in result["trades"])
        row["trades"] = "; ".join(trades) or "none"
        row["reasoning"] = result["ai_reasoning"]["reasoning_summary"]
    return row


def _say(text: str, style: str = "") -> None:
    """A message on standard error, as it is: no markup, no line breaks of our own."""
    _messages.print(text, style=style, markup=False, soft_wrap=True)


def _warn_of(refused: "RefusedBars") -> None:
    """Tell of bars that were refused; the run goes on without them."""
    if not refused.count:
        return
    lines = [f"{refused.count} bars of the source are refused, all others are loaded:"]
    lines += [f"  {line}" for line in refused.first[:_SHOWN_REFUSALS]]
    if refused.count > _SHOWN_REFUSALS:
        lines.append(f"  ... and {refused.count - _SHOWN_REFUSALS} more")
    _say("\n".join(lines), style="yellow")


def _job_row(job: Row) -> Row:
    """A launch as one row: its sessions and models in short, its progress as numbers."""
    dates, models, progress = job["date_range"], job["models"], job["progress"]
    return {
        "job": job["job_id"][:8],
        "status": job["status"],
        "sessions": f"{dates[0]} to {dates[-1]}" if len(dates) > 1 else dates[0],
        "models": ", ".join(models) if len(models) <= _MODELS_NAMED else f"{len(models)} models",
        "total": progress["total_model_days"],
        **{name: progress[name] for name in ("completed", "failed", "skipped", "pending")},
        "created_at": job["created_at"][:19],
        "seconds": job["total_duration_seconds"],
    }


def _fail_on(failures: list[str]) -> None:
    for failure in failures:
        _say(f"failed: {failure}", style="red")
    if failures:
        raise typer.Exit(1)


def main() -> None:
    """Run the command line; exit status 0: all is well, 1: work failed, 2: the call or the config is wrong."""
    try:
        read_dotenv()
        app()
    except ArenaError as error:
        _say(f"error: {error}", style="red")
        sys.exit(2 if isinstance(error, ConfigError | CallError) else 1)
