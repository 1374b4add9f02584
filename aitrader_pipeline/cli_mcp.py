"""The commands `aitrader mcp …`: the arena's tools for other programs."""

import datetime as dt
from enum import StrEnum
from typing import Annotated

import typer

from aitrader_pipeline.cli_options import DAY, parsed_date
from aitrader_pipeline.config import load_settings

mcp_app = typer.Typer(help="The arena's tools for other programs.", no_args_is_help=True, rich_markup_mode=None)


class Offer(StrEnum):
    """The tools that other programs are offered: those that change nothing."""

    PRICE = "price"
    SEARCH = "search"
    MATH = "math"


class Transport(StrEnum):
    """How another program speaks to them."""

    STDIO = "stdio"
    HTTP = "http"


@mcp_app.command()
def serve(
    server: Annotated[Offer, typer.Argument(help="Which tools.")],
    transport: Annotated[
        Transport, typer.Option(help="Standard streams, or HTTP on this machine.")
    ] = Transport.STDIO,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port of http; 0 takes a free one.")] = 8765,
    date: Annotated[
        dt.date | None,
        typer.Option(
            parser=parsed_date,
            metavar=DAY,
            help="The session at whose open nothing later is known; math needs none.",
        ),
    ] = None,
) -> None:
    """Offer tools over MCP: read-only, and of prices and news what was known at the open of --date."""
    from aitrader_pipeline.trading.offered_tools import offered_server, serve_http, serve_stdio

    offered = offered_server(server, load_settings(), date)
    if transport is Transport.STDIO:
        serve_stdio(offered)
    else:
        serve_http(offered, port, lambda url: typer.echo(f"{server} tools: {url}  (Ctrl-C ends it)", err=True))
