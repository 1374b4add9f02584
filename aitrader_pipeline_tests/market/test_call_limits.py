"""The calls that a vendor's key allows: counted on disk, spread over the minute, spent for everybody."""

import asyncio
import datetime as dt
import json
from pathlib import Path

import pytest

from aitrader_pipeline.market.vendors import VendorLimitError
from aitrader_pipeline.market.vendors.limits import Allowance, CallLimits

NOON = dt.datetime(2025, 10, 30, 12, 15, tzinfo=dt.UTC)


def _limits(folder: Path, now: dt.datetime = NOON, **allowed: int) -> CallLimits:
    allowance = Allowance(per_minute=1_000_000, **allowed)
    return CallLimits(folder, "vendor", allowance, lambda: now)


def _spend(limits: CallLimits, calls: int) -> None:
    for _ in range(calls):
        asyncio.run(limits.turn())


def test_calls_of_a_day_are_spent_in_a_new_process_too_and_new_at_midnight_utc(tmp_path: Path) -> None:
    _spend(_limits(tmp_path, per_day=3), 2)
    resumed = _limits(tmp_path, per_day=3)
    _spend(resumed, 1)
    with pytest.raises(VendorLimitError, match="go on after 2025-10-31 00:00 UTC") as raised:
        _spend(resumed, 1)
    assert raised.value.wait == (11 * 60 + 45) * 60
    assert resumed.spent("day") == 3
    tomorrow = _limits(tmp_path, NOON.replace(day=31, hour=0, minute=0), per_day=3)
    assert tomorrow.spent("day") == 0
    _spend(tomorrow, 3)


def test_calls_of_an_hour_are_new_with_the_clock_s_next_hour(tmp_path: Path) -> None:
    _spend(_limits(tmp_path, per_hour=2, per_day=5), 2)
    with pytest.raises(VendorLimitError, match="its 2 calls of the hour are spent") as raised:
        _spend(_limits(tmp_path, per_hour=2, per_day=5), 1)
    assert raised.value.wait == 45 * 60
    later = _limits(tmp_path, NOON.replace(hour=13, minute=0), per_hour=2, per_day=5)
    _spend(later, 2)
    assert later.spent("day") == 4


def test_a_day_that_the_vendor_calls_spent_is_spent(tmp_path: Path) -> None:
    error = _limits(tmp_path, per_day=25).refused("day", "enough")
    assert str(error).startswith("vendor: enough; go on after")
    with pytest.raises(VendorLimitError):
        _spend(_limits(tmp_path, per_day=25), 1)
    # A better key from now on.
    _spend(_limits(tmp_path, per_day=26), 1)


def test_without_a_limit_of_the_day_calls_are_only_counted(tmp_path: Path) -> None:
    limits = _limits(tmp_path)
    limits.refused("day", "enough")
    _spend(limits, 30)
    assert limits.spent("day") == 30


def test_calls_wait_for_their_turn_behind_those_of_other_processes(tmp_path: Path) -> None:
    turns = []
    for _ in range(3):
        limits = CallLimits(tmp_path, "vendor", Allowance(per_minute=60_000), lambda: NOON)
        asyncio.run(limits.turn())
        turns.append(json.loads((tmp_path / "calls.json").read_text())["next"] - NOON.timestamp())
    assert turns == pytest.approx([0.001, 0.002, 0.003], abs=1e-4)


def test_a_count_that_was_cut_off_by_a_power_cut_begins_anew(tmp_path: Path) -> None:
    for text in ('{"day": {"beg', "[]"):
        (tmp_path / "calls.json").write_text(text)
        limits = _limits(tmp_path, per_day=1)
        _spend(limits, 1)
        assert limits.spent("day") == 1
