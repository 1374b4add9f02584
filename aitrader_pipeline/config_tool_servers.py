"""The section `mcp_servers`: the user's own tool servers, as other MCP hosts write them, with no secret in it."""

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from aitrader_pipeline.config_sections import SECRET_PARAM, Section, StatedPath, Text

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SECRET_NAME = re.compile(
    SECRET_PARAM.pattern + r"|token$|(^|[_-])key$|cookie|credential|passwd|passphrase", re.IGNORECASE
)
# User and password in an address; a scheme of authorization with what follows it; the keys of well-known vendors.
_SECRET_VALUE = re.compile(
    r"://[^/\s:@]*:[^/\s@]+@|\b(bearer|basic)\s+\S|\b(sk|ghp|gho|xox[abp])[-_][\w-]{16}", re.IGNORECASE
)
# What is shorter is a placeholder, such as "none", and a word of its own in what servers answer.
_SHORTEST_KEY = 8
_VARIABLE = re.compile(r"[^=\s]+")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_ITS_PLACE_HERE = "put the key into the environment or a .env file and ${NAME} here"
_ITS_PLACE_ELSEWHERE = "write it as ${NAME} into env, or into headers where there is a url"


def _referred(text: str) -> list[str]:
    return _REFERENCE.findall(text)


def _without_keys(value: dict[str, str]) -> dict[str, str]:
    for name, text in value.items():
        literal = _REFERENCE.sub("", text)
        if "${" in literal:
            raise ValueError(f"{name!r} has '${{' without a variable's name; write it as ${{NAME}}")
        if (_SECRET_NAME.search(name) and text.strip() and literal == text) or _SECRET_VALUE.search(literal):
            raise ValueError(f"{name!r} looks like a place for a key; {_ITS_PLACE_HERE}")
    return value


def _arguments(value: tuple[str, ...]) -> tuple[str, ...]:
    for number, argument in enumerate(value, start=1):
        if "${" in argument:
            raise ValueError(f"argument {number} has '${{'; variables are filled in in env and headers alone")
        name, *stated = re.split("[=:]", argument, maxsplit=1)
        takes_value = name.startswith("-") and not "".join(value[number : number + 1]).startswith("-")
        if ((stated or takes_value) and _SECRET_NAME.search(name)) or _SECRET_VALUE.search(argument):
            raise ValueError(f"argument {number} looks like a place for a key; {_ITS_PLACE_ELSEWHERE}")
    return value


def _address(value: str) -> str:
    try:
        parts = urlsplit(value)
        plain = parts.hostname and not (parts.username or parts.password or parts.fragment or "${" in value)
    except ValueError:
        plain = False
    if not plain or parts.scheme not in ("http", "https"):
        raise ValueError(
            "the value (not shown) is not the address of an MCP server; use http(s)://host/path without user "
            "or password, such as 'https://example.com/mcp', and headers for what it has to be sent"
        )
    secret = next((name for name, _ in parse_qsl(parts.query) if _SECRET_NAME.search(name)), None)
    if secret is not None:
        raise ValueError(f"{secret!r} in its query looks like a place for a key; {_ITS_PLACE_ELSEWHERE}")
    return value


Stated = Annotated[dict[str, str], AfterValidator(_without_keys)]


class McpServerConfig(Section):
    """A tool server of the user's own.

    Attributes:
        type: As other hosts' blocks state it; `command` or `url` says the same.
        command: The program that is started, and spoken to over its standard input and output.
        args: Its arguments.
        env: Environment variables that it gets beside HOME, PATH and the like.
        cwd: The folder that it is started in; by default that of the config.
        url: The address of a server that is spoken to over streamable HTTP.
        headers: What is sent with every request to it.
        allow: Names or patterns of the tools that models are offered.
        timeout_seconds: How long the server may take to start, and to answer a call.
        max_characters: What of an answer's text a model is shown at most.
        disabled: Whether it is left out.
    """

    type: Literal["stdio", "http", "streamable-http", "streamableHttp"] | None = None
    command: Text | None = None
    args: Annotated[tuple[str, ...], AfterValidator(_arguments)] = Field(default=(), repr=False)
    env: Stated = Field(default={}, repr=False)
    cwd: StatedPath | None = None
    url: Annotated[str, AfterValidator(_address)] | None = Field(default=None, repr=False)
    headers: Stated = Field(default={}, repr=False)
    allow: tuple[Text, ...] = ("*",)
    timeout_seconds: float = Field(default=60.0, gt=0, le=3600)
    max_characters: int = Field(default=20_000, ge=100)
    disabled: bool = False

    @field_validator("cwd")
    @classmethod
    def _is_a_folder(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_dir():
            raise ValueError(f"no such folder: {value}; give one that exists or leave it out")
        return value

    @field_validator("env")
    @classmethod
    def _name_variables(cls, value: dict[str, str]) -> dict[str, str]:
        if any(not _VARIABLE.fullmatch(name) for name in value):
            raise ValueError("a name in it is not that of an environment variable; use names such as 'LOG_LEVEL'")
        return value

    @field_validator("headers")
    @classmethod
    def _name_headers(cls, value: dict[str, str]) -> dict[str, str]:
        if any(not _HEADER.fullmatch(name) for name in value):
            raise ValueError("a name in it is not that of an HTTP header; use names such as 'Authorization'")
        return value

    @model_validator(mode="after")
    def _speaks_one_way(self) -> Self:
        if (self.command is None) == (self.url is None):
            raise ValueError("give either a command (a program to start) or a url (streamable HTTP)")
        if self.type is not None and (self.type == "stdio") != (self.url is None):
            raise ValueError(f"the type {self.type!r} does not go with {'a command' if self.command else 'a url'}")
        if self.url is not None and (self.args or self.env or self.cwd):
            raise ValueError("args, env and cwd go with a command; a url has headers")
        if self.command is not None and self.headers:
            raise ValueError("headers go with a url; a command has env")
        return self

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that `env` and `headers` refer to, in order."""
        texts = [*self.env.values(), *self.headers.values()]
        return tuple(dict.fromkeys(name for text in texts for name in _referred(text)))

    def missing(self, environ: Mapping[str, str]) -> list[str]:
        """Which of :attr:`variables` are not set, or empty."""
        return [name for name in self.variables if not environ.get(name, "").strip()]

    def filled(self, stated: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
        """`env` or `headers` with the variables' values in place of their names; none may be missing."""
        return {name: _REFERENCE.sub(lambda m: environ[m[1]].strip(), text) for name, text in stated.items()}

    def secrets(self, environ: Mapping[str, str]) -> dict[str, str]:
        """The values that must not be shown, each with its variable's name: by their names, or as headers."""
        variables = [variable for text in self.headers.values() for variable in _referred(text)]
        for name, text in self.env.items():
            variables += [v for v in _referred(text) if _SECRET_NAME.search(name) or _SECRET_NAME.search(v)]
        values = {environ.get(variable, "").strip(): variable for variable in variables}
        # Longest first: one may be a part of another.
        keys = sorted((value for value in values if len(value) >= _SHORTEST_KEY), key=len, reverse=True)
        return {value: values[value] for value in keys}

    def allows(self, tool: str) -> bool:
        """Whether models are offered a tool."""
        return any(fnmatchcase(tool, pattern) for pattern in self.allow)

    def unmatched(self, tools: Sequence[str]) -> list[str]:
        """Which entries of `allow` match none of the tools."""
        return [pattern for pattern in self.allow if not any(fnmatchcase(tool, pattern) for tool in tools)]

    @property
    def identity(self) -> dict[str, object]:
        """What of it can change a session; neither its credentials nor where its files lie."""
        return self.model_dump(include={"command", "args", "url", "allow", "max_characters"})

    def __str__(self) -> str:
        """For people: how it is reached and which tools it may offer."""
        way = f"starts {self.command}" if self.command else f"at {(self.url or '').partition('?')[0]}"
        return f"{'disabled, ' if self.disabled else ''}{way}, tools: {' '.join(self.allow)}"
