"""The arena's own Dagster instance: its home lies inside AITRADER_HOME, its settings are the project's."""

import os
from collections.abc import MutableMapping
from pathlib import Path

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
        (home / "dagster.yaml").write_text(shared + event_log_section(home), encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"AITRADER_HOME: {home} cannot be written ({error.strerror}); set it to a folder that can"
        ) from error
    environ["DAGSTER_HOME"] = str(home)
    return home
