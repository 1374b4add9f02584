"""The docs say what the program does: links lead somewhere, commands and columns exist, the help is the help."""

import re
from pathlib import Path

import pytest

from aitrader_pipeline.cli import app
from aitrader_pipeline.config import PROJECT_ROOT
from aitrader_pipeline.performance.identities import IDENTITIES
from aitrader_pipeline.store.mart import schema
from aitrader_pipeline.trading.ledger import RefusalCode
from scripts.write_cli_docs import TARGET, command_line_page

PAGES = [PROJECT_ROOT / "README.md", *sorted((PROJECT_ROOT / "docs").glob("*.md"))]


def test_the_command_line_page_is_the_programs_own_help() -> None:
    assert TARGET.read_text(encoding="utf-8") == command_line_page(), "run scripts/write_cli_docs.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    known = {c.name or getattr(c.callback, "__name__", "") for c in app.registered_commands}
    known |= {group.name or "" for group in app.registered_groups}
    named = set(re.findall(r"(?:bin/|`)aitrader ([a-z][a-z-]*)", page.read_text(encoding="utf-8")))
    assert named - known == set()


def test_every_make_target_that_the_readme_names_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (PROJECT_ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"make ([a-z]+)", (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")))
    assert named
    assert named - targets == set()


def test_the_metrics_page_names_only_columns_that_exist() -> None:
    columns = {column.name for table in schema().values() for column in table}
    table = (PROJECT_ROOT / "docs" / "metrics.md").read_text(encoding="utf-8").partition("| column | formula |")[2]
    table = table.partition("\n\n")[0]
    named = set(re.findall(r"^\| `([a-z_]+)` \|", table, re.MULTILINE))
    assert len(named) == 9
    assert named - columns == set()


def test_the_ui_page_names_every_check() -> None:
    page = (PROJECT_ROOT / "docs" / "ui.md").read_text(encoding="utf-8")
    assert [identity.name for identity in IDENTITIES if f"`{identity.name}`" not in page] == []


def test_the_session_page_names_every_refusal_code() -> None:
    page = (PROJECT_ROOT / "docs" / "session.md").read_text(encoding="utf-8")
    assert [code for code in RefusalCode if f"`{code}`" not in page] == []


def test_every_column_of_the_mart_is_described() -> None:
    bare = [f"{t}.{c.name}" for t, columns in schema().items() for c in columns if not c.description]
    assert [name for name in bare if not name.startswith("schema_migrations.")] == []
