"""The section `search`: who is asked for news."""

from typing import Literal

from pydantic import Field

from aitrader_pipeline.config_sections import Endpoint, Section, VariableName

# The first spelling of the second vendor is the one of existing set-ups.
_USUAL_KEYS = {"jina": ("JINA_API_KEY",), "alpha_vantage": ("ALPHAADVANTAGE_API_KEY", "ALPHAVANTAGE_API_KEY")}


class SearchConfig(Section):
    """Where `get_information` finds news.

    Attributes:
        provider: Who is asked; None answers that search is not configured.
        api_key: The NAME of the environment variable that holds the key; None is the provider's usual one.
        base_url: Something that answers in the provider's place, such as a proxy.
        max_results: Items in one answer.
        max_characters: Characters of one item's text.
        timeout_seconds: Wall-clock time of one search, with its retries.
    """

    provider: Literal["jina", "alpha_vantage"] | None = None
    api_key: VariableName = None
    base_url: Endpoint = None
    max_results: int = Field(default=3, ge=1, le=10)
    max_characters: int = Field(default=2000, ge=100, le=100_000)
    timeout_seconds: float = Field(default=30.0, gt=0)

    @property
    def key_variables(self) -> tuple[str, ...]:
        """The environment variables that may hold the key; the first that is set wins."""
        if self.provider is None:
            return ()
        return (self.api_key,) if self.api_key else _USUAL_KEYS[self.provider]
