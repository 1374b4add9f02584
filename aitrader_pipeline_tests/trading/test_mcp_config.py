"""The config's tool servers: blocks of other hosts load, keys are stated by name, and what is wrong is told."""

import json
from pathlib import Path
from typing import Any

import pytest

from aitrader_pipeline.config import ArenaConfig, McpServerConfig, explain
from aitrader_pipeline.errors import ConfigError
from aitrader_pipeline.results.doctor import examine
from aitrader_pipeline_tests.markets import FLAT, baseline, write_arena

PASTED_KEY = "sk-proj-abcDEF0123456789"
GPT = {"name": "GPT-5", "signature": "gpt-5", "basemodel": "openai/gpt-5"}
# As the documentation of other hosts has them.
PASTED_BLOCK = {
    "brave": {
        "type": "stdio",
        "command": "npx",
        "args": ["-y", "@modelcontextprotocol/server-brave-search"],
        "env": {"BRAVE_API_KEY": "${BRAVE_API_KEY}", "LOG_LEVEL": "debug"},
        "disabled": False,
    },
    "box": {"command": "docker", "args": ["run", "-i", "--rm", "-e", "BRAVE_API_KEY", "mcp/brave-search"]},
    "remote": {"url": "https://example.com/mcp?tools=all", "headers": {"Authorization": "Bearer ${REMOTE_TOKEN}"}},
    "off": {"command": "uvx", "args": ["some-server"], "disabled": True},
}


def loaded(folder: Path, servers: object, key: str = "mcpServers", override: object = None) -> ArenaConfig:
    document = {"date_range": {"init_date": "2025-10-02"}, "models": [GPT, baseline("cash")], key: servers}
    path, above = folder / "arena.json", folder / "above" / "override.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    if override is None:
        return ArenaConfig.load(path)
    above.parent.mkdir(exist_ok=True)
    above.write_text(json.dumps(override), encoding="utf-8")
    return ArenaConfig.load(path, above)


def problems(folder: Path, server: object) -> str:
    with pytest.raises(ConfigError) as caught:
        loaded(folder, {"mine": server})
    _, *lines = str(caught.value).splitlines()
    return "\n".join(lines)


def test_a_block_of_another_host_loads_under_either_name(tmp_path: Path) -> None:
    config = loaded(tmp_path, PASTED_BLOCK)
    assert config == loaded(tmp_path, PASTED_BLOCK, "mcp_servers")
    assert list(config.mcp_servers) == ["brave", "box", "remote", "off"]
    assert list(config.tool_servers) == ["brave", "box", "remote"]
    brave = config.mcp_servers["brave"]
    assert (brave.command, brave.args[0], brave.allow, brave.timeout_seconds) == ("npx", "-y", ("*",), 60)
    assert (brave.max_characters, brave.variables) == (20_000, ("BRAVE_API_KEY",))


def test_a_file_that_gives_both_names_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "arena.json"
    path.write_text(json.dumps({"mcp_servers": {}, "mcpServers": {}}), encoding="utf-8")
    with pytest.raises(ConfigError, match="both mcp_servers and mcpServers are given; put all servers into one"):
        ArenaConfig.load(path)


def test_an_override_changes_a_server_under_either_name(tmp_path: Path) -> None:
    override = {"mcpServers": {"box": {"allow": ["web_*"]}, "off": {"disabled": False}}}
    config = loaded(tmp_path, PASTED_BLOCK, "mcp_servers", override)
    assert config.mcp_servers["box"].allow == ("web_*",)
    assert config.mcp_servers["box"].cwd == tmp_path
    assert "off" in config.tool_servers


def test_a_program_is_started_in_the_folder_of_the_file_that_states_it(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    servers = {"here": {"command": "x"}, "there": {"command": "x", "cwd": "tools"}, "web": {"url": "http://a/mcp"}}
    config = loaded(tmp_path, servers)
    folders = [config.mcp_servers[name].cwd for name in servers]
    assert folders == [tmp_path, tmp_path / "tools", None]


@pytest.mark.parametrize(
    ("server", "problem"),
    [
        ({}, "mcp_servers.mine: give either a command (a program to start) or a url (streamable HTTP)"),
        ({"command": "x", "url": "http://a"}, "mcp_servers.mine: give either a command"),
        ({"command": " "}, "mcp_servers.mine.command: is empty"),
        (
            {"comand": "x"},
            "mcp_servers.mine.comand: is not a known key; did you mean 'command'? Allowed here: type",
        ),
        ([1], "mcp_servers.mine: a list stands where an object in braces belongs"),
        ({"command": "x", "args": "-y"}, "mcp_servers.mine.args: text stands where a list in brackets belongs"),
        ({"command": "x", "env": {"PORT": 3000}}, "mcp_servers.mine.env.PORT: the value (not shown) is not text"),
        (
            {"command": "x", "env": {"A=B": "1"}},
            "mcp_servers.mine.env: a name in it is not that of an environment",
        ),
        ({"command": "x", "cwd": "nowhere"}, "mcp_servers.mine.cwd: no such folder: "),
        ({"command": "x", "headers": {"A": "1"}}, "mcp_servers.mine: headers go with a url; a command has env"),
        ({"url": "http://a", "env": {"A": "1"}}, "mcp_servers.mine: args, env and cwd go with a command"),
        (
            {"url": "http://a", "headers": {"A B": "1"}},
            "mcp_servers.mine.headers: a name in it is not that of an HTTP",
        ),
        ({"url": "ftp://a"}, "mcp_servers.mine.url: the value (not shown) is not the address of an MCP server"),
        ({"type": "sse", "url": "http://a"}, "mcp_servers.mine.type: 'sse' is not known; use 'stdio', 'http'"),
        ({"type": "http", "command": "x"}, "mcp_servers.mine: the type 'http' does not go with a command"),
        ({"command": "x", "timeout_seconds": 0}, "mcp_servers.mine.timeout_seconds: 0 is too small"),
        (
            {"command": "x", "max_characters": 9},
            "mcp_servers.mine.max_characters: 9 is too small; use 100 or more",
        ),
        ({"command": "x", "allow": [""]}, "mcp_servers.mine.allow[0]: is empty"),
        ({"command": "x", "args": ["${HOME}"]}, "argument 1 has '${'; variables are filled in in env and headers"),
        (
            {"command": "x", "env": {"A": "${env:B}"}},
            "'A' has '${' without a variable's name; write it as ${NAME}",
        ),
    ],
)
def test_what_is_wrong_with_a_server_is_told_with_its_place(tmp_path: Path, server: object, problem: str) -> None:
    assert problem in problems(tmp_path, server)


@pytest.mark.parametrize(
    "server",
    [
        {"command": "x", "env": {"BRAVE_API_KEY": PASTED_KEY}},
        {"command": "x", "env": {"SLACK_TOKEN": "plain"}},
        {"command": "x", "env": {"DATABASE": "postgres://me:plain@host/db"}},
        {"command": "x", "env": {"ANYTHING": PASTED_KEY}},
        {"command": "x", "args": ["--api-key", PASTED_KEY]},
        {"command": "x", "args": ["--api-key=plain"]},
        {"command": "x", "args": ["--header", "Authorization: Bearer plain"]},
        {"command": "x", "args": ["postgres://me:plain@host/db"]},
        {"url": "http://a/mcp", "headers": {"Authorization": "Bearer plain"}},
        {"url": "http://a/mcp", "headers": {"X-Note": "Basic plain"}},
        {"url": "http://a/mcp?apiKey=plain"},
        {"url": "http://me:plain@a/mcp"},
    ],
)
def test_a_key_that_was_pasted_is_refused_and_not_shown(tmp_path: Path, server: dict[str, Any]) -> None:
    told = problems(tmp_path, server)
    assert "looks like a place for a key" in told or "without user or password" in told
    assert "plain" not in told
    assert PASTED_KEY not in told


def test_variables_are_filled_in_and_those_that_hold_keys_are_known() -> None:
    program = McpServerConfig(command="x", env={"API_KEY": "${A}", "FOLDER": "${HOME}/x", "OTHER": "${B_TOKEN}"})
    environ = {"A": " the-key-a ", "B_TOKEN": "the-key-b", "HOME": "/home/me", "T": "the-key-t"}
    assert program.filled(program.env, environ) == {
        "API_KEY": "the-key-a",
        "FOLDER": "/home/me/x",
        "OTHER": "the-key-b",
    }
    assert program.secrets(environ) == {"the-key-a": "A", "the-key-b": "B_TOKEN"}
    web = McpServerConfig(url="http://a/mcp", headers={"X-Anything": "Me ${T}"})
    assert (web.filled(web.headers, environ), web.secrets(environ)) == (
        {"X-Anything": "Me the-key-t"},
        {"the-key-t": "T"},
    )
    assert web.secrets({"T": "none"}) == {}
    assert program.missing({"A": " ", "HOME": "/"}) == ["A", "B_TOKEN"]


def test_servers_count_in_the_hash_of_a_language_model_but_for_credentials_places_and_limits(
    tmp_path: Path,
) -> None:
    def hashed(signature: str, **changes: Any) -> str:
        server = {"command": "x", "args": ["a"], "env": {"A": "1"}, **changes}
        return loaded(tmp_path, {"mine": server}).settings_hash(signature)

    (tmp_path / "folder").mkdir()
    without = loaded(tmp_path, {})
    assert hashed("gpt-5") != without.settings_hash("gpt-5")
    assert hashed("cash") == without.settings_hash("cash")
    assert hashed("gpt-5", disabled=True) == without.settings_hash("gpt-5")
    for same in ({"env": {"A": "2"}}, {"cwd": "folder"}, {"timeout_seconds": 5}):
        assert hashed("gpt-5", **same) == hashed("gpt-5")
    for other in ({"command": "y"}, {"args": ["b"]}, {"allow": ["a"]}, {"max_characters": 500}):
        assert hashed("gpt-5", **other) != hashed("gpt-5")


def test_people_are_told_how_a_server_is_reached_and_nothing_that_it_is_given(tmp_path: Path) -> None:
    config = loaded(tmp_path, PASTED_BLOCK)
    told = {name: value for name, value in explain(config) if name.startswith("mcp_servers.")}
    assert told["mcp_servers.brave"] == "starts npx, tools: *"
    assert told["mcp_servers.remote"] == "at https://example.com/mcp, tools: *"
    assert told["mcp_servers.off"].startswith("disabled, ")
    assert "BRAVE_API_KEY" not in repr(config.mcp_servers)


def test_the_doctor_names_variables_that_are_not_set_and_programs_that_are_not_there(tmp_path: Path) -> None:
    write_arena(tmp_path, [baseline("cash")], FLAT)
    path = tmp_path / "config.json"
    servers = {
        "keyless": {"command": "sh", "env": {"API_KEY": "${MY_KEY}"}},
        "gone": {"command": "no-such-program"},
        "fine": {"command": "sh"},
    }
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), "mcpServers": servers}))
    found = {finding.what: finding for finding in examine({"AITRADER_CONFIG": str(path), "PATH": "/usr/bin:/bin"})}
    keyless, gone = found["tool server keyless"], found["tool server gone"]
    assert (keyless.state, keyless.detail.partition(";")[0]) == ("problem", "not set: MY_KEY")
    assert (gone.state, gone.detail.partition(";")[0]) == ("problem", "there is no program no-such-program")
    assert found["tool server fine"].state == "ok"
