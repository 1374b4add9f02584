"""The arguments of a tool call, in all the ways in which endpoints write them."""

import json
from typing import Any

import pydantic_core

# The brackets that a record puts around a tool's input are fewer.
_DEPTH_IN_RECORD = 8


class ToolArgumentsError(ValueError):
    """The arguments are no JSON object; the message tells the model why."""


def decoded(arguments: object) -> dict[str, Any]:
    """The object that a model meant.

    Args:
        arguments: an object, its JSON text, or that text as a JSON text once more, as some gateways send it.

    Raises:
        ToolArgumentsError: it is none of these, or holds what a record cannot.
    """
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments) if arguments.strip() else {}
        except (ValueError, RecursionError) as error:
            raise ToolArgumentsError(f"the arguments are not valid JSON: {error}") from None
    if isinstance(arguments, str):
        arguments = _unwrapped(arguments)
    if arguments is None:
        return {}
    if not isinstance(arguments, dict):
        kind = "a JSON text inside a JSON text" if isinstance(arguments, str) else type(arguments).__name__
        raise ToolArgumentsError(f"the arguments must be a JSON object, not {kind}")
    if not _can_be_kept(arguments):
        raise ToolArgumentsError(
            "the arguments hold what JSON cannot: NaN, a huge number, half a character or deep nesting"
        )
    return arguments


def _unwrapped(text: str) -> object:
    """The object within a text that was itself within a JSON text; the text if there is none."""
    try:
        inner = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return inner if isinstance(inner, dict) else text


def _can_be_kept(arguments: dict[str, Any]) -> bool:
    """Whether a record that holds the arguments can be written and read again.

    Python reads NaN, 1e999, half a surrogate pair and any depth of brackets; the reader of records does not.
    """
    try:
        text = json.dumps(arguments, allow_nan=False)
        pydantic_core.from_json("[" * _DEPTH_IN_RECORD + text + "]" * _DEPTH_IN_RECORD)
    except (ValueError, RecursionError):
        return False
    return True
