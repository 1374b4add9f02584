"""Options that several commands have."""

import datetime as dt
import re
from typing import Annotated

import typer

from aitrader_pipeline.results.render import OutputFormat

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def parsed_date(text: str) -> dt.date:
    """A strict YYYY-MM-DD date."""
    try:
        if _DATE.fullmatch(text):
            return dt.date.fromisoformat(text)
    except ValueError:
        pass
    raise typer.BadParameter(f"{text!r} is no date; write YYYY-MM-DD, such as 2025-10-02")


DAY = "YYYY-MM-DD"
Date = Annotated[dt.date | None, typer.Option(parser=parsed_date, metavar=DAY, help="A session.")]
First = Annotated[dt.date | None, typer.Option(parser=parsed_date, metavar=DAY, help="The first session.")]
Last = Annotated[dt.date | None, typer.Option(parser=parsed_date, metavar=DAY, help="The last session.")]
Format = Annotated[OutputFormat, typer.Option("--format", help="How the answer is written.")]
