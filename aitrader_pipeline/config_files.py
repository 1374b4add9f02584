"""Reads the JSON files that a config is made of, and lays one over the other."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aitrader_pipeline.errors import ConfigError

Document = dict[str, Any]

_FOREIGN_NAME = "mcpServers"

_PATH_FIELDS = (
    ("market", "path"),
    ("market", "corporate_actions"),
    ("market", "hourly_path"),
    ("agent_config", "prompt_template"),
    ("agent_config", "stock_symbols"),
)


def read_document(path: Path, variable: str) -> Document:
    """Reads one config file; relative paths that it states become absolute, seen from the file's folder.

    Args:
        path: The JSON file.
        variable: The environment variable that names such a file: the way out when there is none.

    Returns:
        The file's object, not validated beyond being one.

    Raises:
        ConfigError: The file is missing, unreadable, not JSON (with line and column) or not an object.
    """
    if not path.exists():
        raise ConfigError(f"{path}: no such config file; set {variable} to the path of one")
    document = read_json(path)
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: the config is not an object; it starts with {{ and ends with }}")
    return _with_absolute_paths(_with_own_names(document, path), path.absolute().parent)


def read_json(path: Path) -> object:
    """Reads a JSON file strictly: UTF-8, no key twice in one object, no NaN and no infinity.

    Args:
        path: The file; a byte order mark is passed over.

    Raises:
        ConfigError: The file is unreadable or not JSON; says where, never what stands there.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        return json.loads(
            text, parse_float=_finite, parse_constant=_finite, object_pairs_hook=_object_without_repeats
        )
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError as error:
        problem = f"is not UTF-8 text (byte {error.start})"
    except json.JSONDecodeError as error:
        problem = f"line {error.lineno}, column {error.colno}: not valid JSON: {error.msg}"
    except ValueError as error:
        problem = f"not valid JSON: {error}"
    except RecursionError:
        problem = "is nested too deeply"
    # Raised here and not above, so that no earlier error with the file's content hangs on to this one.
    raise ConfigError(f"{path}: {problem}")


def merged(base: Mapping[str, Any], override: Mapping[str, Any]) -> Document:
    """Lays one document over another: objects merge key by key, anything else (lists too) is replaced.

    Args:
        base: The document below; not changed.
        override: The document on top; what it states wins.
    """
    result = dict(base)
    for key, value in override.items():
        below = result.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            result[key] = merged(below, value)
        else:
            result[key] = value
    return result


def _with_absolute_paths(document: Document, folder: Path) -> Document:
    result = dict(document)
    for section, field in _PATH_FIELDS:
        if section in result:
            result[section] = _with_absolute_path(result[section], field, folder)
    market = result.get("market")
    if isinstance(market, dict) and "compare_with" in market:
        result["market"] = {**market, "compare_with": _with_absolute_path(market["compare_with"], "path", folder)}
    servers = result.get("mcp_servers")
    if isinstance(servers, dict):
        result["mcp_servers"] = {name: _started_in(folder, server) for name, server in servers.items()}
    return result


def _with_absolute_path(section: Any, field: str, folder: Path) -> Any:  # noqa: ANN401 - any JSON value
    if not (isinstance(section, dict) and isinstance(section.get(field), str) and section[field].strip()):
        return section
    return {**section, field: str((folder / Path(section[field]).expanduser()).resolve())}


def _started_in(folder: Path, server: object) -> object:
    """A tool server's entry with the folder that its program is started in, and whose files its arguments name."""
    if not isinstance(server, dict) or not (server.get("command") or server.get("cwd")):
        return server
    stated = server.get("cwd")
    if stated is not None and not (isinstance(stated, str) and stated.strip()):
        return server
    return {**server, "cwd": str((folder / Path(stated or ".").expanduser()).resolve())}


def _with_own_names(document: Document, path: Path) -> Document:
    """The document with `mcp_servers` where it says `mcpServers`, as blocks of other hosts do."""
    if _FOREIGN_NAME not in document:
        return document
    if "mcp_servers" in document:
        raise ConfigError(f"{path}: both mcp_servers and {_FOREIGN_NAME} are given; put all servers into one")
    return {"mcp_servers" if key == _FOREIGN_NAME else key: value for key, value in document.items()}


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a finite number")
    return number


def _object_without_repeats(pairs: list[tuple[str, Any]]) -> Document:
    result = dict(pairs)
    if len(result) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return result
