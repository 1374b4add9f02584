"""Following the config: a server that runs loads its definitions anew when the files say something else."""

import hashlib
from dataclasses import replace

import httpx2

from aitrader_pipeline.config import ArenaConfig, Settings
from aitrader_pipeline.errors import ArenaError
from aitrader_pipeline.partitions import axes_of

# `aitrader ui` tells its servers where its webserver is.
UI_URL_VARIABLE = "AITRADER_UI_URL"
_LOCATION = "aitrader"
# A sensor's tick has a minute.
_TIMEOUT_SECONDS = 45.0
_RELOAD = """mutation ($name: String!) { reloadRepositoryLocation(repositoryLocationName: $name) {
  __typename
  ... on WorkspaceLocationEntry { locationOrLoadError { __typename ... on PythonError { message } } }
  ... on ReloadNotSupported { message } ... on RepositoryLocationNotFound { message }
  ... on UnauthorizedError { message } ... on PythonError { message }
} }"""


def settings_now(settings: Settings) -> Settings:
    """The settings as their files have them at this moment.

    Raises:
        ConfigError: the files cannot be read or are wrong; it lists every problem.
    """
    return replace(settings, config=ArenaConfig.load(settings.config_path, settings.override_path))


def what_has_changed(loaded: Settings, loaded_models: tuple[str, ...], now: Settings) -> str | None:
    """In a few words what the files and the records say otherwise than what is loaded; None where nothing."""
    models = axes_of(now).models
    parts = [f"new: {name}" for name in models if name not in loaded_models]
    parts += [f"gone: {name}" for name in loaded_models if name not in models]
    if not parts and (now.config != loaded.config or models != loaded_models):
        parts = ["other settings"]
    return ", ".join(parts) or None


def fingerprint(settings: Settings) -> str:
    """Tells one state of the config and of the models that have records from another."""
    state = repr((settings.config, axes_of(settings).models))
    return hashlib.sha256(state.encode()).hexdigest()


def reload_definitions(url: str) -> None:
    """Ask a webserver to load the definitions anew; the daemon beside it follows.

    Raises:
        ArenaError: it does not answer, or cannot load them.
    """
    body = {"query": _RELOAD, "variables": {"name": _LOCATION}}
    try:
        response = httpx2.post(f"{url}/graphql", json=body, timeout=_TIMEOUT_SECONDS)
        answer = response.raise_for_status().json()["data"]["reloadRepositoryLocation"]
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, KeyError, TypeError) as error:
        raise ArenaError(f"the UI at {url} did not reload the definitions: {type(error).__name__}") from error
    problem = answer.get("message") or (answer.get("locationOrLoadError") or {}).get("message")
    if problem:
        raise ArenaError(f"the UI at {url} did not reload the definitions: {problem}")
