"""The command `aitrader fake-openai`: models that cost nothing, behind a real socket."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer


def fake_openai(
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8911,
    latency: Annotated[float, typer.Option(min=0, help="Seconds before each answer.")] = 0.0,
    faults: Annotated[
        str,
        typer.Option(
            metavar="F=SHARE,...",
            help="What goes wrong how often: an HTTP status, timeout, cut or garbage, such as 429=0.1,cut=0.05.",
        ),
    ] = "",
    seed: Annotated[int, typer.Option(help="Chooses the requests that go wrong.")] = 0,
    script: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The turns of a session as JSON; see docs/agents.md.")
    ] = None,
) -> None:
    """Serve models that need no key and trade by a script, over OpenAI's two APIs; Ctrl-C ends it."""
    from aitrader_pipeline.trading.fake_openai.models import Faults, delayed, scripted, small_buyer
    from aitrader_pipeline.trading.fake_openai.server import FakeOpenAI

    respond = delayed(scripted(script) if script else small_buyer, latency)
    server = FakeOpenAI(Faults.parsed(faults, seed).upon(respond), port)
    typer.echo(f"A fake OpenAI endpoint, for any model and any key: {server.base_url}  (Ctrl-C ends it)", err=True)
    with suppress(KeyboardInterrupt):
        server.run()
