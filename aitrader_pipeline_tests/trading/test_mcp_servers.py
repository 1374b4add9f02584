"""The user's own tool servers in a session: real programs over standard streams and over HTTP, well and ill."""

import asyncio
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from aitrader_pipeline.config import McpServerConfig
from aitrader_pipeline.errors import ConfigError, SessionError
from aitrader_pipeline.trading.arena import Arena
from aitrader_pipeline.trading.chains import Order, run_chains
from aitrader_pipeline.trading.record import Message, SessionRecord
from aitrader_pipeline.trading.tool_servers import ToolServer
from aitrader_pipeline_tests.markets import (
    ENVIRON,
    GOLDEN,
    OCT_02,
    OCT_03,
    baseline,
    cells_of,
    failure,
    finished,
    model,
    open_arena,
    run,
    stored,
    write_arena,
)
from aitrader_pipeline_tests.model_sessions import M
from aitrader_pipeline_tests.openai_server import Answer, Call, OpenAIServer, Received, buy, call, finishes, says

PROGRAM = str(Path(__file__).parent.parent / "tool_server.py")
SECRET = "service-key-0123456789"
OWN = {"command": sys.executable, "args": [PROGRAM], "env": {"SERVICE_KEY": "${SERVICE_KEY}"}}


def arena_of(
    folder: Path,
    endpoint: OpenAIServer,
    servers: Mapping[str, Any],
    models: Sequence[Mapping[str, Any]] | None = None,
    environ: Mapping[str, str] | None = None,
    **settings: Any,
) -> Arena:
    write_arena(folder, models or [model(M, endpoint.base_url)], GOLDEN, **settings)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["mcpServers"] = servers
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return open_arena(folder, {**ENVIRON, "SERVICE_KEY": SECRET} if environ is None else environ)


def session(folder: Path, endpoint: OpenAIServer, servers: Mapping[str, Any], *calls: Call) -> SessionRecord:
    """A session in which the model makes the calls in one turn."""
    endpoint.script(M, says("", *calls), finishes())
    (record,) = finished(arena_of(folder, endpoint, servers), M, OCT_02)
    return record


def answers(record: SessionRecord) -> list[Message]:
    return [message for message in record.messages if message.role == "tool"]


def texts(record: SessionRecord) -> list[str]:
    return [message.content for message in answers(record)]


def offered(endpoint: OpenAIServer) -> list[str]:
    return [tool["function"]["name"] for tool in endpoint.requests_of(M)[0].body["tools"]]


@contextmanager
def web_server(port: int = 0, **environ: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The program as a server over HTTP: its address, and its process."""
    process = subprocess.Popen(
        [sys.executable, PROGRAM, "--http", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **environ},
    )
    with process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/mcp", process
        process.kill()


def started_programs() -> list[psutil.Process]:
    return [p for p in psutil.Process().children(recursive=True) if PROGRAM in p.cmdline()]


# --- well ---


def test_a_model_calls_the_tools_of_a_program_and_the_record_keeps_them_as_it_keeps_the_arenas_own(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    record = session(tmp_path, endpoint, {"own": OWN}, call("echo", text="hello"), buy("AAPL", 1), call("told"))
    assert {"get_price_local", "buy", "sell", "add", "multiply", "echo", "told"} <= set(offered(endpoint))
    first, _, third = answers(record)
    assert (first.content, first.tool_name, first.tool_input, first.is_error) == (
        "hello",
        "echo",
        {"text": "hello"},
        False,
    )
    assert first.seconds is not None
    assert json.loads(third.content) == {"aitrader/date": OCT_02, "aitrader/model": M}
    assert [(tool.name, tool.calls, tool.errors) for tool in record.tools] == [
        ("buy", 1, 0),
        ("echo", 1, 0),
        ("told", 1, 0),
    ]
    assert record.end.shares == {"AAPL": 1}
    assert started_programs() == []


def test_what_is_no_text_is_noted_and_what_is_too_long_is_cut_and_says_so(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    record = session(
        tmp_path,
        endpoint,
        {"own": {**OWN, "max_characters": 200}},
        call("table"),
        call("everything"),
        call("long", characters=201),
        call("long", characters=200),
    )
    table, everything, cut, whole = texts(record)
    assert json.loads(table) == {"rows": [1, 2]}
    assert everything.startswith("look:\n[image, image/png, 5 bytes: not shown]\n[audio, audio/wav, 4 bytes")
    assert cut == "x" * 200 + "\n[cut: the first 200 of 201 characters]"
    assert whole == "x" * 200


def test_a_program_gets_the_stated_environment_alone_and_starts_in_the_configs_folder(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    names, folder = texts(session(tmp_path, endpoint, {"own": OWN}, call("environment"), call("folder")))
    assert "SERVICE_KEY" in names
    assert "PYTEST_CURRENT_TEST" in os.environ
    assert "PYTEST_CURRENT_TEST" not in names
    assert Path(folder) == tmp_path


def test_the_list_of_allowed_tools_holds_for_what_is_shown_and_for_what_can_be_called(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    servers = {"own": {**OWN, "allow": ["ec*", "dotted*"]}}
    record = session(
        tmp_path, endpoint, servers, call("echo", text="hi"), call("key"), call("dotted_name_of_a_tool")
    )
    assert [name for name in offered(endpoint) if name in ("echo", "key", "dotted_name_of_a_tool")] == [
        "echo",
        "dotted_name_of_a_tool",
    ]
    echo, key, dotted = answers(record)
    assert (echo.content, dotted.content) == ("hi", "dotted")
    assert json.loads(key.content)["error"] == "unknown_tool"


def test_all_sessions_of_a_run_share_one_process_and_each_gets_its_own_answers(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    names = [f"model-{letter}" for letter in "abcd"]

    def respond(request: Received) -> Answer:
        said = f"{request.body['model']} {request.date}"
        return says("", call("echo", text=said), call("heard")) if len(request.messages) == 2 else finishes()

    for name in names:
        endpoint.respond(name, respond)
    arena = arena_of(tmp_path, endpoint, {"own": OWN}, [model(name, endpoint.base_url) for name in names])
    assert run(arena, names, [OCT_02, OCT_03]).failures == []
    records = [stored(arena, name, date) for date in (OCT_02, OCT_03) for name in names]
    assert [texts(record)[0] for record in records] == [f"{r.model} {r.date}" for r in records]
    assert max(len(texts(record)[1].splitlines()) for record in records) == len(records)


def test_a_server_over_http_is_sent_its_headers(tmp_path: Path, endpoint: OpenAIServer) -> None:
    with web_server(ASKED_FOR=f"Bearer {SECRET}") as (url, _):
        servers = {"web": {"url": url, "headers": {"Authorization": "Bearer ${SERVICE_KEY}"}}}
        record = session(tmp_path, endpoint, servers, call("echo", text="hello"), call("table"))
    assert texts(record) == ["hello", '{"rows": [1, 2]}']


def test_baselines_neither_need_nor_start_a_tool_server(tmp_path: Path, endpoint: OpenAIServer) -> None:
    arena = arena_of(tmp_path, endpoint, {"own": {"command": "no-such-program"}}, [baseline("cash")])
    (record,) = finished(arena, "cash", OCT_02)
    assert (record.end_reason, record.tools) == ("finished", ())


# --- ill, at the start ---


@pytest.mark.parametrize(
    ("server", "told"),
    [
        pytest.param({"command": "no-such-program"}, "no-such-program: No such file", id="missing"),
        pytest.param({"args": ["-c", "raise SystemExit('no quota')"]}, "its last words: no quota", id="ends"),
        pytest.param({"args": ["-c", "input(); input(); input()"]}, "no answer within 0.5 s", id="silent"),
        pytest.param(
            {"args": ["-c", "while True: input(); print('hello', flush=True)"]},
            "no answer within 0.5 s",
            id="garbage",
        ),
        pytest.param(
            {"args": ["-c", "import os; os.write(1, b'\\xff\\xfe\\n'); input()"]}, "Connection closed", id="bytes"
        ),
    ],
)
def test_a_program_that_is_down_fails_the_models_cell_and_no_baselines(
    tmp_path: Path, endpoint: OpenAIServer, server: dict[str, Any], told: str
) -> None:
    models = [model(M, endpoint.base_url), baseline("cash")]
    servers = {"mine": {"command": sys.executable, "timeout_seconds": 0.5, **server}}
    arena = arena_of(tmp_path, endpoint, servers, models)
    outcome = run(arena, [M, "cash"], OCT_02)
    assert [cell.model for cell in outcome.done] == ["cash"]
    (failed,) = outcome.failures
    assert isinstance(failed.error, SessionError)
    assert "the tool server mine is down: " in str(failed)
    assert told in str(failed)
    assert "check command, args and env of mcp_servers.mine" in str(failed)
    assert endpoint.requests == []
    assert not arena.records.dates(M)


def test_a_server_over_http_that_is_down_or_refuses_fails_the_cell(tmp_path: Path, endpoint: OpenAIServer) -> None:
    with web_server(ASKED_FOR=f"Bearer {SECRET}") as (url, process):
        arena = arena_of(tmp_path, endpoint, {"web": {"url": url}})
        assert "HTTP 401 Unauthorized" in str(failure(arena, M, OCT_02))
        process.kill()
        process.wait()
        error = str(failure(arena, M, OCT_02))
    assert "the tool server web is down: it cannot be reached" in error
    assert "check url and headers of mcp_servers.web" in error


def test_a_page_instead_of_a_tool_server_fails_the_cell(tmp_path: Path, endpoint: OpenAIServer) -> None:
    arena = arena_of(tmp_path, endpoint, {"web": {"url": endpoint.base_url, "timeout_seconds": 5}})
    assert "the tool server web is down" in str(failure(arena, M, OCT_02))


def test_a_variable_that_is_not_set_is_an_error_of_the_cell(tmp_path: Path, endpoint: OpenAIServer) -> None:
    for environ in (ENVIRON, {**ENVIRON, "SERVICE_KEY": " "}):
        error = failure(arena_of(tmp_path, endpoint, {"own": OWN}, environ=environ), M, OCT_02)
        assert isinstance(error, ConfigError)
        assert "mcp_servers.own: the environment has no SERVICE_KEY" in str(error)


def test_a_tool_of_two_servers_is_an_error_that_names_both_until_one_leaves_it_out(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    twice = {"one": {**OWN, "allow": ["echo", "key"]}, "two": {**OWN, "allow": ["echo"]}}
    error = failure(arena_of(tmp_path, endpoint, twice), M, OCT_02)
    assert "the tool servers one and two both offer a tool named echo" in str(error)
    record = session(
        tmp_path, endpoint, {**twice, "one": {**OWN, "allow": ["key"]}}, call("echo", text="hi"), call("key")
    )
    assert texts(record)[0] == "hi"


def test_an_allowed_tool_that_the_server_does_not_have_is_an_error(tmp_path: Path, endpoint: OpenAIServer) -> None:
    error = failure(arena_of(tmp_path, endpoint, {"own": {**OWN, "allow": ["ecco"]}}), M, OCT_02)
    assert "mcp_servers.own.allow: 'ecco' matches none of its tools, which are: echo, heard" in str(error)


# --- ill, in the middle ---


def test_a_program_that_dies_hangs_or_babbles_is_an_error_text_and_the_day_goes_on(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    record = session(
        tmp_path,
        endpoint,
        {"own": {**OWN, "timeout_seconds": 10}},
        call("dies"),
        call("echo", text="risen"),
        call("refuses"),
        call("babbles"),
        buy("AAPL", 2),
        call("echo", text=7),
    )
    dies, echo, refuses, babbles, bought, wrong = answers(record)
    assert json.loads(dies.content) == {"error": "tool_failed", "message": "Connection closed"}
    assert (echo.content, babbles.content) == ("risen", "done")
    assert [m.is_error for m in (dies, echo, refuses, babbles, bought, wrong)] == [
        True,
        False,
        True,
        False,
        False,
        True,
    ]
    assert record.end.shares == {"AAPL": 2}
    assert record.end_reason == "finished"


def test_a_call_that_takes_too_long_is_given_up_and_the_connection_serves_on(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    with web_server() as (url, _):
        servers = {"web": {"url": url, "timeout_seconds": 1.5}}
        late, echo, heard = texts(
            session(
                tmp_path,
                endpoint,
                servers,
                call("slow", seconds=60),
                call("echo", text="still here"),
                call("heard"),
            )
        )
    assert json.loads(late) == {"error": "tool_failed", "message": "no answer within 1.5 s"}
    assert (echo, heard) == ("still here", "still here")


def test_a_call_that_outlasts_the_session_ends_it_and_what_was_traded_before_stands(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    calls = (buy("AAPL", 5), call("slow", seconds=60), buy("AAPL", 1))
    endpoint.script(M, says("", call("echo", text="up")), says("", *calls), finishes())
    with web_server() as (url, _):
        arena = arena_of(tmp_path, endpoint, {"web": {"url": url}}, time_limit_seconds=3)
        (record,) = finished(arena, M, OCT_02)
    assert (record.end_reason, record.end.shares) == ("time_budget", {"AAPL": 5})
    assert (record.finished_at - record.started_at).total_seconds() < 30
    _, bought, slow = answers(record)
    assert [m.is_error for m in (bought, slow)] == [False, True]
    assert json.loads(slow.content)["error"] == "out_of_time"
    assert {(use.name, use.calls, use.errors) for use in record.tools} == {
        ("buy", 1, 0),
        ("echo", 1, 0),
        ("slow", 1, 1),
    }
    assert len(endpoint.requests) == 2
    replayed = replace(arena, recording="replay")
    (again,) = finished(replayed, M, OCT_02, launch="launch-2")
    assert again.essence() == record.essence()
    assert len(endpoint.requests) == 2


def test_a_server_that_was_restarted_between_two_sessions_is_connected_to_again() -> None:
    async def days() -> None:
        with web_server() as (url, process):
            server = ToolServer("web", McpServerConfig(url=url), {})
            tools = [tool.name for tool in await server.tools()]
            process.kill()
            process.wait()
        with web_server(int(url.partition("127.0.0.1:")[2].partition("/")[0])):
            assert [tool.name for tool in await server.tools()] == tools
            assert (await server.call("echo", {}, {"text": "hi"})).text == "hi"
            await server.close()

    asyncio.run(days())


def test_a_program_that_has_died_between_two_sessions_is_started_again() -> None:
    async def days() -> None:
        server = ToolServer("own", McpServerConfig(command=sys.executable, args=(PROGRAM,)), {})
        tools = await server.tools()
        (program,) = started_programs()
        program.kill()
        assert await server.tools() == tools
        await server.close()

    asyncio.run(days())


def test_a_run_that_is_cancelled_in_a_tool_call_ends_the_programs_that_it_started(
    tmp_path: Path, endpoint: OpenAIServer
) -> None:
    asked = threading.Event()

    def respond(_: Received) -> Answer:
        asked.set()
        return says("", call("slow", seconds=60))

    endpoint.respond(M, respond)
    arena = arena_of(tmp_path, endpoint, {"own": OWN})

    async def interrupted() -> None:
        work = asyncio.create_task(run_chains(arena, Order(cells_of(M, OCT_02), "launch-1")))
        await asyncio.to_thread(asked.wait)
        assert len(started_programs()) == 1
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert started_programs() == []

    asyncio.run(interrupted())
    assert not arena.records.dates(M)


# --- secrets ---


def test_no_key_of_a_server_reaches_a_record_a_log_an_error_or_the_model(
    tmp_path: Path, endpoint: OpenAIServer, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    servers = {"own": {**OWN, "max_characters": 100}}
    calls = (call("key"), call("key", padding=82), call("refuses"), call("babbles"))
    record = session(tmp_path, endpoint, servers, *calls)
    whole, in_two, *_ = texts(record)
    assert whole == "my key is [SERVICE_KEY]"
    assert in_two.startswith("x" * 82 + "my key is [SERVICE\n[cut: ")
    written = (tmp_path / "records" / M).rglob("*")
    told = "".join(path.read_text(encoding="utf-8") for path in written if path.is_file())
    told += json.dumps([request.body for request in endpoint.requests])
    ends = {"args": ["-c", "import os; raise SystemExit('bad key ' + os.environ['SERVICE_KEY'])"]}
    error = str(failure(arena_of(tmp_path, endpoint, {"own": {**OWN, **ends}}), M, OCT_03))
    assert "bad key [SERVICE_KEY]" in error
    with web_server(ASKED_FOR="something else " + SECRET) as (url, _):
        servers = {"web": {"url": url, "headers": {"X-Auth": "${SERVICE_KEY}"}}}
        told += str(failure(arena_of(tmp_path, endpoint, servers), M, OCT_03))
    assert SECRET not in told + error + caplog.text + "".join(capfd.readouterr())
