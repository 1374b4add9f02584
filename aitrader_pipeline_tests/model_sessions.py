"""One model on the golden four days behind the scripted endpoint: what its sessions were told and answered."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aitrader_pipeline.trading.arena import Arena
from aitrader_pipeline_tests.markets import GOLDEN, Quotes, model, new_arena
from aitrader_pipeline_tests.openai_server import OpenAIServer

M = "model-a"


def arena_of(
    folder: Path,
    endpoint: OpenAIServer,
    quotes: Quotes | None = None,
    *,
    entry: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Arena:
    """An arena of the one model; `entry` is what its entry in the config says beyond the usual."""
    said = {"api": endpoint.api, **(entry or {})}
    return new_arena(folder, [model(M, endpoint.base_url, **said)], quotes or GOLDEN, **settings)


def results_of(endpoint: OpenAIServer) -> list[Any]:
    """What the tools answered, as the model was told with its last request."""
    return endpoint.requests_of(M)[-1].results()


def prompts(endpoint: OpenAIServer) -> dict[str, str]:
    """The system prompt of each session, by date."""
    return {request.date: request.messages[0]["content"] for request in endpoint.requests_of(M)}
