"""The command line: ``aitrader …``. Answers go to standard output, messages to standard error."""

import datetime as dt
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from aitrader_pipeline.cli_decisions import decisions
from aitrader_pipeline.cli_fake_openai import fake_openai
from aitrader_pipeline.cli_launching import MODEL_DAYS, fail_on, launching, opened, say, warn_of
from aitrader_pipeline.cli_mcp import mcp_app
from aitrader_pipeline.cli_metrics import metrics
from aitrader_pipeline.cli_options import DAY, Date, First, Format, Last, parsed_date
from aitrader_pipeline.cli_prices import prices_app
from aitrader_pipeline.config import PROJECT_ROOT, load_settings, read_dotenv
from aitrader_pipeline.errors import ArenaError, CallError, ConfigError, NoDataError
from aitrader_pipeline.ranking.leaderboard import likely_return
from aitrader_pipeline.results.grouped_board import grouped
from aitrader_pipeline.results.queries import (
    Row,
    get_leaderboard,
    get_portfolio_timeseries,
    get_replica_groups,
    get_results,
)
from aitrader_pipeline.results.render import OutputFormat, show

app = typer.Typer(
    help="An arena for one question: can this model trade?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(mcp_app, name="mcp")
app.add_typer(prices_app, name="prices")
app.command("fake-openai")(fake_openai)
app.command()(metrics)
app.command()(decisions)

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
_REPLICA_COLUMNS = ("in_sample_sessions", "replicas", "deviation_return_pct")
_COST_COLUMNS = ("inference_cost_usd", "cost_per_trade_usd", "net_return_pct")
_MODELS_NAMED = 3


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
    with launching(load_settings()) as (launcher, progress):
        warn_of(launcher.load_prices())
        plan = launcher.plan(wanted)
        progress.start(MODEL_DAYS, len(plan.to_trade))
        report = launcher.run(plan, replace=replace or stale)
        left_stale = launcher.stale()
    standing = len(plan.wanted) - len(plan.to_trade)
    if plan.to_trade:
        say(f"{report.traded} of {len(plan.to_trade)} model-days run; {standing} stood already.")
    else:
        newest = max(cell.date for cell in plan.wanted)
        say(f"Up to date: {standing} model-days stand through {newest}.")
    if left_stale:
        models_left = ", ".join(sorted({cell.model for cell in left_stale}))
        say(
            f"{len(left_stale)} finished model-days are stale: they would be given another book or other prices "
            f"today ({models_left}). `aitrader run --stale` runs them again."
        )
    fail_on(report.failures)


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

    with launching(load_settings()) as (launcher, progress):
        warn_of(launcher.load_prices())
        plan = launcher.plan(Slice(start, end, _names(models), replace=True))
        progress.start(MODEL_DAYS, len(plan.to_trade))
        report = launcher.run(plan, replace=True, replay=True, accept_differences=accept_differences)
    say(f"{report.traded} of {len(plan.to_trade)} model-days replayed.")
    fail_on(report.failures)


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
    with launching(settings) as (launcher, _):
        warn_of(launcher.load_prices())
        books = import_all(settings, folder, accept_breaches=accept_breaches)
    cells = [cell for book in books for cell in book.cells]
    # Imported models join the axis of models, so the definitions are loaded anew.
    with launching(settings) as (launcher, _):
        launcher.report_sessions(cells)
        launcher.forget(cell for book in books for cell in book.removed)
        report = launcher.score(cells)
    for book in books:
        flagged = f", {len(book.breaches)} breaches flagged" if book.breaches else ""
        say(f"{book.model}: {len(book.cells)} sessions from {book.file}{flagged}")
    fail_on(report.failures)


@app.command()
def leaderboard(
    date: Date = None,
    replicas: Annotated[
        bool, typer.Option("--replicas", help="In the table, every replica of a model on a line of its own.")
    ] = False,
    output: Format = OutputFormat.TABLE,
) -> None:
    """The standings, newest by default.

    In the table, the replicas of a model are one line: the mean, and how far they lie apart.
    """
    settings = load_settings()
    rate = settings.config.metrics.risk_free_rate
    answer = get_leaderboard(settings.mart_path, date, risk_free_rate=rate)
    rows = answer["leaderboard"]
    if output is OutputFormat.TABLE:
        if not replicas and any(row["replica_of"] for row in rows):
            rows = grouped(rows, get_replica_groups(settings.mart_path, date, risk_free_rate=rate))
        rows = _without_unknown([_board_row(row) for row in rows])
    currency = settings.config.market.currency
    show(answer, rows, output, title=f"Leaderboard at the close of {answer['date']}, in {currency}")


@app.command()
def timeseries(
    model: Annotated[str, typer.Argument(help="A signature, or the benchmark's symbol.")],
    start: First = None,
    end: Last = None,
    output: Format = OutputFormat.TABLE,
) -> None:
    """A portfolio's value and returns, session by session."""
    settings = load_settings()
    answer = get_portfolio_timeseries(settings.mart_path, model, start, end)
    show(answer, answer["timeseries"], output, title=f"{model}, in {settings.config.market.currency}")


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
    settings = load_settings()
    answer = get_results(settings.mart_path, date, model, "full" if detail == "full" else "minimal")
    title = f"Results of {date}, in {settings.config.market.currency}"
    show(answer, [_flat(result) for result in answer["results"]], output, title=title)


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
    with opened(settings) as (instance, axes):
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
    with opened(settings) as (instance, axes):
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
    say(f"The arena's UI: {os.environ[UI_URL_VARIABLE]}  (Ctrl-C ends it)")
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


def _names(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise CallError("--models names no model; separate signatures by commas")
    return names


def _board_row(row: Row) -> Row:
    """A standing as one row of the table."""
    p_best = row.get("p_best")
    return {
        **{name: row[name] for name in _BOARD_COLUMNS},
        **{name: row.get(name) for name in _REPLICA_COLUMNS},
        "likely_return": likely_return(row.get("return_low_pct"), row.get("return_high_pct")),
        "best_with_probability_pct": None if p_best is None else 100 * p_best,
        "tie_group": row.get("tie_group") or row.get("note"),
        **{name: row[name] for name in _COST_COLUMNS},
    }


def _without_unknown(rows: list[Row]) -> list[Row]:
    """The rows without columns that nothing is known of in any."""
    known = [name for name in rows[0] if any(row[name] is not None for row in rows)]
    return [{name: row[name] for name in known} for row in rows]


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


def main() -> None:
    """Run the command line; exit status 0: all is well, 1: work failed, 2: the call or the config is wrong."""
    try:
        read_dotenv()
        app()
    except ArenaError as error:
        say(f"error: {error}", style="red")
        sys.exit(2 if isinstance(error, ConfigError | CallError) else 1)
