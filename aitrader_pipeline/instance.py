"""The arena's own Dagster instance: its home lies inside AITRADER_HOME, its settings are the project's."""

import fcntl
import os
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from aitrader_pipeline.config import PROJECT_ROOT, Settings
from aitrader_pipeline.errors import ConfigError
from aitrader_pipeline.store.event_log import BATCH_SIZE, BATCH_SIZE_VARIABLE, event_log_section


def prepare_dagster_home(settings: Settings, environ: MutableMapping[str, str] = os.environ) -> Path:
    """Make the instance's home and point Dagster at it; a home that is set already stands.

    Args:
        settings: the active arena.
        environ: where ``DAGSTER_HOME`` is read and set.

    Returns:
        The home's folder.

    Raises:
        ConfigError: the home cannot be written.
    """
    environ.setdefault(BATCH_SIZE_VARIABLE, str(BATCH_SIZE))
    if environ.get("DAGSTER_HOME"):
        return Path(environ["DAGSTER_HOME"])
    home = settings.home / "dagster"
    try:
        home.mkdir(parents=True, exist_ok=True)
        shared = (PROJECT_ROOT / "dagster.yaml").read_text(encoding="utf-8")
        _replace(home / "dagster.yaml", shared + event_log_section(home))
    except OSError as error:
        raise ConfigError(
            f"AITRADER_HOME: {home} cannot be written ({error.strerror}); set it to a folder that can"
        ) from error
    environ["DAGSTER_HOME"] = str(home)
    return home


def _replace(path: Path, text: str) -> None:
    """Write a file that another process may be reading at this moment."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)


@contextmanager
def opened_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """The arena's instance, its databases made if they are not there yet.

    Args:
        settings: the active arena.

    Raises:
        ConfigError: the home cannot be written.
    """
    home = prepare_dagster_home(settings)
    # Two processes that make the same SQLite databases at once leave them broken for good.
    with (home / ".opening").open("w") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        instance = dg.DagsterInstance.get()
    with instance:
        yield instance
