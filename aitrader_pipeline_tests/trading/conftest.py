"""The endpoint that the tests of this room talk to: one server a module, with nothing scripted for a test yet."""

from collections.abc import Iterator

import pytest

from aitrader_pipeline_tests.openai_server import OpenAIServer, openai_server


@pytest.fixture(scope="module")
def running_endpoint() -> Iterator[OpenAIServer]:
    with openai_server() as server:
        yield server


@pytest.fixture
def endpoint(running_endpoint: OpenAIServer) -> OpenAIServer:
    running_endpoint.forget()
    return running_endpoint
