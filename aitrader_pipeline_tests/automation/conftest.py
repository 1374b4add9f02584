"""What the tests of this room share: each module prepares an arena once, and each test has a copy of it."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from aitrader_pipeline_tests.arena_homes import ArenaHome
from aitrader_pipeline_tests.dagster_ticks import copy_of


@pytest.fixture
def arena(prepared: ArenaHome, tmp_path: Path) -> ArenaHome:
    return copy_of(prepared, tmp_path)


@pytest.fixture
def instance(arena: ArenaHome) -> Iterator[dg.DagsterInstance]:
    with arena.instance() as instance:
        yield instance
