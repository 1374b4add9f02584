"""`aitrader mcp serve`: the arena's tools for other programs, spoken to by the SDK's own client."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import mcp_types
import pytest
from mcp import Client, StdioServerParameters

from aitrader_pipeline_tests.arena_homes import ArenaHome, clean_environment, priced_arena
from aitrader_pipeline_tests.markets import GOLDEN, OCT_03, OCT_06, OCT_07, baseline

AITRADER = str(Path(sys.executable).with_name("aitrader"))


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> ArenaHome:
    """An arena whose prices are loaded, the later ones too."""
    arena = priced_arena(tmp_path_factory.mktemp("served"), [baseline("cash")], GOLDEN, last=OCT_07)
    assert arena.materialise("prices").success
    return arena


def told(result: mcp_types.CallToolResult) -> Any:
    (part,) = result.content
    assert isinstance(part, mcp_types.TextContent)
    return json.loads(part.text)


@asynccontextmanager
async def over_stdio(arena: ArenaHome, *words: str) -> AsyncIterator[Client]:
    environ = clean_environment(arena.variables)
    program = StdioServerParameters(command=AITRADER, args=["mcp", "serve", *words], env=environ, cwd=arena.folder)
    async with Client(program) as client:
        yield client


async def check_prices(client: Client) -> None:
    """Prices of Monday the 6th: all that was known at its open, and nothing later."""
    assert [tool.name for tool in (await client.list_tools()).tools] == ["get_price_local"]
    answers = {
        date: told(await client.call_tool("get_price_local", {"symbol": "aapl", "date": date}))
        for date in (OCT_03, OCT_06, OCT_07, "2031-01-02")
    }
    assert (answers[OCT_03]["open"], answers[OCT_03]["close"]) == (105, 104)
    assert answers[OCT_06] == {"symbol": "AAPL", "date": OCT_06, "open": 110}
    assert answers[OCT_07]["error"] == "not_known_yet"
    assert answers[OCT_07] == answers["2031-01-02"]
    assert OCT_07 not in json.dumps(answers[OCT_07])


def test_prices_are_served_over_standard_streams_and_cut_off_at_the_date(arena: ArenaHome) -> None:
    async def talk() -> None:
        async with over_stdio(arena, "price", "--date", OCT_06) as client:
            await check_prices(client)

    asyncio.run(talk())


def test_prices_are_served_over_http_to_several_clients_until_the_program_is_ended(arena: ArenaHome) -> None:
    server = arena.start("mcp", "serve", "price", "--transport", "http", "--port", "0", "--date", OCT_06)
    with server:
        assert server.stderr is not None
        url = server.stderr.readline().split()[2]

        async def talk() -> None:
            async with Client(url) as one, Client(url, mode="legacy") as two:
                await check_prices(one)
                await check_prices(two)

        asyncio.run(talk())
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=30)


@pytest.mark.slow
def test_sums_and_news_are_served_and_nothing_that_changes_anything(arena: ArenaHome) -> None:
    async def talk() -> None:
        async with over_stdio(arena, "math") as client:
            assert told(await client.call_tool("add", {"a": 1, "b": 2})) == 3
        async with over_stdio(arena, "search", "--date", OCT_06) as client:
            assert [tool.name for tool in (await client.list_tools()).tools] == ["get_information"]
            answer = told(await client.call_tool("get_information", {"query": "anything"}))
            assert answer["error"] == "search_not_configured"

    asyncio.run(talk())
    refused = arena.aitrader("mcp", "serve", "trade")
    assert refused.status == 2
    assert "'trade' is not one of 'price', 'search', 'math'" in refused.said


def test_what_cannot_be_served_is_said(arena: ArenaHome, tmp_path: Path) -> None:
    dateless = arena.aitrader("mcp", "serve", "price")
    assert dateless.status == 2
    assert "price needs --date: the session at whose open the tools know nothing later" in dateless.said
    for tools in ("price", "search"):
        saturday = arena.aitrader("mcp", "serve", tools, "--date", "2025-10-04")
        assert saturday.status == 2
        assert "no session of the exchange; the nearest are 2025-10-03 and 2025-10-06" in saturday.said
    late = arena.aitrader("mcp", "serve", "price", "--date", "2035-10-04")
    assert (late.status, "is outside of it" in late.said) == (2, True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = arena.aitrader("mcp", "serve", "math", "--transport", "http", "--port", port)
    assert refused.status == 2
    assert f"--port {port}: Address already in use; name another, or 0 for a free one" in refused.said
    new = priced_arena(tmp_path, [baseline("cash")], GOLDEN)
    assert "aitrader run" in new.aitrader("mcp", "serve", "price", "--date", OCT_06).said


def test_ctrl_c_ends_a_server_that_waits_on_its_standard_streams(arena: ArenaHome) -> None:
    with subprocess.Popen(
        [AITRADER, "mcp", "serve", "math"],
        cwd=arena.folder,
        env=clean_environment(arena.variables),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}\n')
        server.stdin.flush()
        assert server.stdout.readline()
        server.send_signal(signal.SIGINT)
        assert server.wait(30) != 0
