"""The math server: sums and products, for models that would rather not compute in their head."""

import math
from collections.abc import Callable
from typing import Any

from mcp.server.lowlevel import Server

from aitrader_pipeline.trading.tools import Answer, Tool, tool_server

_NUMBER = {"type": "number"}


def math_server() -> Server[Any]:
    """An MCP server with ``add`` and ``multiply`` over floats."""
    return tool_server("math", math_tools())


def math_tools() -> list[Tool]:
    """``add`` and ``multiply`` over floats."""
    return [
        Tool("add", "Add two numbers.", {"a": _NUMBER, "b": _NUMBER}, _binary(lambda a, b: a + b)),
        Tool("multiply", "Multiply two numbers.", {"a": _NUMBER, "b": _NUMBER}, _binary(lambda a, b: a * b)),
    ]


def _binary(operation: Callable[[float, float], float]) -> Callable[..., Answer]:
    def run(a: object, b: object) -> Answer:
        try:
            numbers = [_number("a", a), _number("b", b)]
        except ValueError as error:
            return Answer.error("invalid_number", str(error))
        result = operation(*numbers)
        if not math.isfinite(result):
            return Answer.error("out_of_range", "the result is not a finite number")
        return Answer(result)

    return run


def _number(name: str, value: object) -> float:
    """A finite number; text that reads as one is taken, since many models send it."""
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            number = math.nan
        if math.isfinite(number):
            return number
    raise ValueError(f"{name} must be a number, not {value!r:.60}")
