"""Says in people's words what is wrong with a config: one line a problem, each with the path of its field.

What a line shows is decided here, and only here: never a value under a field that may hold a pasted key,
never the value of an unknown key, never the content of a list or an object.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

Location = tuple[int | str, ...]

_HIDDEN_FIELDS = frozenset({"openai_api_key", "openai_base_url", "params", "args", "env", "url", "headers"})
_LONGEST_SHOWN = 80
MOST_REPLICAS = 1000

_REASONS: Mapping[str, str] = {
    "json_invalid": "nests too deeply, or holds half a character (an escape from \\ud800 to \\udfff)",
    "missing": "is missing; it has no default",
    "int_type": "{value} is not a whole number",
    "float_type": "{value} is not a number",
    "decimal_type": "{value} is not a number",
    "decimal_parsing": "{value} is not a number",
    "finite_number": "{value} is not a finite number",
    "bool_type": "{value} is neither true nor false",
    "string_type": "{value} is not text in quotes",
    "greater_than": "{value} is too small; use a number above {gt}",
    "greater_than_equal": "{value} is too small; use {ge} or more",
    "less_than_equal": "{value} is too large; use {le} or less",
    "less_than": "{value} is too large; use a number below {lt}",
    "decimal_max_places": "{value} has more than {decimal_places} decimals",
    "literal_error": "{value} is not known; use {expected}",
    "model_type": "{shape} stands where an object in braces belongs",
    "dict_type": "{shape} stands where an object in braces belongs",
    "tuple_type": "{shape} stands where a list in brackets belongs",
}


class ProblemsError(ValueError):
    """Several finished problem lines, raised by one validator.

    Args:
        lines: Complete lines, each starting with the path of its field.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("; ".join(lines))


def problem_lines(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Puts a validation error into words.

    Args:
        error: What validating ``model`` raised.
        model: The outermost model; its sections tell which keys are allowed where.

    Returns:
        One line a problem, such as ``agent_config.max_steps: 0 is too small; use 1 or more``.
    """
    allowed = dict(_keys_of_sections(model, ()))
    lines: list[str] = []
    for details in error.errors(include_url=False):
        cause = details.get("ctx", {}).get("error")
        if isinstance(cause, ProblemsError):
            lines.extend(cause.lines)
        else:
            lines.append(f"{field_path(details['loc'])}: {_reason(details, allowed)}")
    return lines


def field_path(location: Location) -> str:
    """Writes a location the way people write it: ``("models", 2, "signature")`` is ``models[2].signature``."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += f".{part}" if path else part
    return path or "the config"


def not_known(what: str, value: str, known: Iterable[str]) -> str:
    """Says that a name is not one of the known ones, and which one may have been meant.

    Args:
        what: What the name stands for, such as ``trader``.
        value: The name as written.
        known: Every name that is right.
    """
    names = sorted(known)
    return f"{value!r} is not a known {what}{_did_you_mean(value, names)} Known: {', '.join(names)}"


def replica_signature(signature: str, number: int) -> str:
    """The signature of a model's replica, counted from 1."""
    return f"{signature}.r{number}"


def roster_lines(entries: Sequence[tuple[object, object, object]]) -> list[str]:
    """Finds what is wrong between the models of a config rather than within one.

    Args:
        entries: The ``signature``, ``enabled`` and ``replicas`` of each model in order, possibly of a wrong
            type where the config is not valid; such values are passed over, having a problem line of their own.

    Returns:
        Finished lines on signatures given twice and on a roster in which nobody trades.
    """
    if not entries:
        return ["models: the list is empty; give at least one model"]
    lines: list[str] = []
    first_of: dict[str, tuple[str, str]] = {}
    for index, (signature, _, replicas) in enumerate(entries):
        names = _names_of(signature, replicas)
        taken = next((name for name in names if name.casefold() in first_of), None)
        if taken is not None:
            field = f"models[{index}].{'signature' if taken == signature else 'replicas'}"
            lines.append(f"{field}: {_clash(taken, *first_of[taken.casefold()])}")
        for name in names:
            owner = f"models[{index}]" if name == signature else f"a replica of models[{index}]"
            first_of.setdefault(name.casefold(), (owner, name))
    if all(enabled is False for _, enabled, _ in entries):
        lines.append('models: no model is enabled; set "enabled": true in at least one')
    return lines


def _names_of(signature: object, replicas: object) -> list[str]:
    """The signature of an entry and those of its replicas."""
    if not isinstance(signature, str):
        return []
    count = replicas if isinstance(replicas, int) and 1 < replicas <= MOST_REPLICAS else 0
    return [signature, *(replica_signature(signature, number) for number in range(1, count + 1))]


def _clash(name: str, owner: str, first: str) -> str:
    if first == name:
        return f"{name!r} is already the signature of {owner}; every model needs its own"
    return (
        f"{name!r} differs from {first!r} of {owner} in case alone; they would share a folder on some file systems"
    )


def _reason(details: ErrorDetails, allowed: Mapping[Location, Sequence[str]]) -> str:
    kind = details["type"]
    context = details.get("ctx", {})
    if kind == "extra_forbidden":
        *section, key = details["loc"]
        keys = _keys_at([part for part in section if isinstance(part, str)], allowed)
        return f"is not a known key{_did_you_mean(str(key), keys)} Allowed here: {', '.join(keys)}"
    if kind == "value_error":
        return str(context["error"])
    if kind in _REASONS:
        return _REASONS[kind].format(value=_shown(details), shape=_shape(details["input"]), **context)
    return details["msg"]


def _shape(value: object) -> str:
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, (list, tuple)):
        return "a list"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return "text" if isinstance(value, str) else "a number"


def _shown(details: ErrorDetails) -> str:
    value = details["input"]
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return _shape(value)
    if not _HIDDEN_FIELDS.isdisjoint(details["loc"]):
        return "the value (not shown)"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"


def _did_you_mean(value: str, known: Sequence[str]) -> str:
    matches = difflib.get_close_matches(value.strip().lower().replace("-", "_"), known, n=1)
    return f"; did you mean {matches[0]!r}?" if matches else "."


def _keys_of_sections(model: type[BaseModel], at: Location) -> Iterable[tuple[Location, tuple[str, ...]]]:
    yield at, tuple(model.model_fields)
    for name, field in model.model_fields.items():
        for section in _models_within(field.annotation):
            yield from _keys_of_sections(section, (*at, name))


def _keys_at(section: Sequence[str], allowed: Mapping[Location, Sequence[str]]) -> Sequence[str]:
    """The keys of a section, which may be one of a mapping: then the name that it has there is left out."""
    at: Location = ()
    for part in section:
        at = (*at, part) if (*at, part) in allowed else at
    return allowed[at]


def _models_within(annotation: object) -> Iterable[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_within(inner)
