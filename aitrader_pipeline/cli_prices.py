"""The commands `aitrader prices …`: what is there, and fetching what is missing."""

from typing import Annotated

import typer

from aitrader_pipeline.cli_launching import launching, warn_of
from aitrader_pipeline.cli_options import First, Format, Last
from aitrader_pipeline.config import load_settings
from aitrader_pipeline.errors import CallError
from aitrader_pipeline.market.coverage_report import coverage_report
from aitrader_pipeline.results.render import OutputFormat, show

prices_app = typer.Typer(
    help="Daily bars: what is there, and fetching what is missing.", no_args_is_help=True, rich_markup_mode=None
)
Symbols = Annotated[str | None, typer.Option(help="Tickers, comma-separated; default: all that are wanted.")]


@prices_app.command()
def status(
    symbols: Symbols = None,
    holes: Annotated[bool, typer.Option("--holes", help="Each span of missing sessions, one by one.")] = False,
    output: Format = OutputFormat.TABLE,
) -> None:
    """Which of the bars that the arena needs are there: per symbol the sessions, holes, source and age."""
    report = coverage_report(load_settings(), _tickers(symbols))
    rows = report.hole_rows() if holes else report.symbol_rows()
    show(report.as_json(), rows, output, title=report.title)


@prices_app.command()
def fetch(
    symbols: Symbols = None,
    start: First = None,
    end: Last = None,
    again: Annotated[bool, typer.Option("--again", help="Ask for what is there, too.")] = False,
) -> None:
    """Ask the vendor for the bars that are missing, those that complete most first. Can be stopped and resumed."""
    settings = load_settings()
    with launching(settings) as (launcher, _):
        loaded = launcher.fetch_prices(
            symbols=list(_tickers(symbols)),
            again=again,
            start=start.isoformat() if start else "",
            end=end.isoformat() if end else "",
        )
    warn_of(loaded)
    report = coverage_report(settings, _tickers(symbols))
    show(report.as_json(), report.summary_rows(), OutputFormat.TABLE, title=report.title)


def _tickers(text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    names = tuple(name.strip().upper() for name in text.split(",") if name.strip())
    if not names:
        raise CallError("--symbols names no symbol; separate tickers by commas")
    return names
