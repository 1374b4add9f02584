"""Writes docs/command-line.md from the program's own help, so that the two cannot differ."""

from collections.abc import Iterator
from pathlib import Path

from typer.main import get_command
from typer.testing import CliRunner

from aitrader_pipeline.cli import app

TARGET = Path(__file__).resolve().parent.parent / "docs" / "command-line.md"

HEAD = """# The command line

Answers go to standard output, messages to standard error. Exit status: 0 all is well, 1 the work failed,
2 the call or the config is wrong. `--format json` has the shapes of the API.

This page is written by `scripts/write_cli_docs.py`.
"""


def command_line_page() -> str:
    """The page: the help of the program and of each of its commands."""
    sections = [_section(words) for words in _commands(get_command(app), [])]
    return "\n".join([HEAD, *sections])


def _commands(command: object, words: list[str]) -> Iterator[list[str]]:
    """The words of a command and of all that are below it."""
    yield words
    for name, inner in getattr(command, "commands", {}).items():
        yield from _commands(inner, [*words, name])


def _section(command: list[str]) -> str:
    result = CliRunner().invoke(
        app, [*command, "--help"], prog_name="aitrader", env={"COLUMNS": "80", "TERM": "dumb"}
    )
    return f"## `{' '.join(['aitrader', *command])}`\n\n```text\n{result.output.rstrip()}\n```\n"


if __name__ == "__main__":
    TARGET.write_text(command_line_page(), encoding="utf-8")
