"""How often a vendor may be called, kept by all processes of an arena together and across their restarts."""

import asyncio
import datetime as dt
import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from aitrader_pipeline.market.vendors.contract import Clock, VendorLimitError

Period = Literal["hour", "day"]

_LENGTH: Mapping[Period, dt.timedelta] = {"hour": dt.timedelta(hours=1), "day": dt.timedelta(days=1)}
# A turn later than that was booked by a clock that went wrong.
_LONGEST_QUEUE_SECONDS = 86_400.0


@dataclass(frozen=True)
class Allowance:
    """Calls that a key allows.

    Attributes:
        per_minute: Calls begun in a minute, evenly spread.
        per_hour: Calls in an hour of the clock; None for no limit.
        per_day: Calls in a day, from midnight to midnight UTC; None for no limit.
    """

    per_minute: float
    per_hour: int | None = None
    per_day: int | None = None

    def of(self, period: Period) -> int | None:
        """Calls in a period, None for no limit."""
        return self.per_hour if period == "hour" else self.per_day


class CallLimits:
    """Counts the calls of a vendor in a file, and makes them wait for their turn."""

    def __init__(self, folder: Path, vendor: str, allowance: Allowance, clock: Clock) -> None:
        """Share the count with everybody who names the same folder.

        Args:
            folder: the folder of the vendor's answers.
            vendor: its name, for messages.
            allowance: what its key allows.
            clock: tells the time.
        """
        self._file = folder / "calls.json"
        self._vendor = vendor
        self._allowance = allowance
        self._clock = clock

    async def turn(self) -> None:
        """Wait until a call may begin; it is counted, whatever becomes of it.

        Raises:
            VendorLimitError: the calls of the hour or of the day are spent.
        """
        now = self._clock()
        with self._counts() as counts:
            for period in _LENGTH:
                limit = self._allowance.of(period)
                if limit is not None and self._spent(counts, period, now) >= limit:
                    raise self._reached(period, f"its {limit} calls of the {period} are spent")
            for period in _LENGTH:
                counts[period] = {"began": _begin(period, now), "calls": self._spent(counts, period, now) + 1}
            earliest = now.timestamp()
            turn = max(earliest, min(counts.get("next", 0.0), earliest + _LONGEST_QUEUE_SECONDS))
            counts["next"] = turn + 60 / self._allowance.per_minute
        await asyncio.sleep(turn - earliest)

    def refused(self, period: Period, said: str) -> VendorLimitError:
        """Note that the vendor itself says that the calls of a period are spent, and say so.

        Calls are spent elsewhere too: by another arena, or by the search for news.
        """
        now = self._clock()
        limit = self._allowance.of(period)
        if limit is not None:
            with self._counts() as counts:
                calls = max(self._spent(counts, period, now), limit)
                counts[period] = {"began": _begin(period, now), "calls": calls}
        return self._reached(period, said)

    def spent(self, period: Period) -> int:
        """Calls that were made in the present hour or day."""
        with self._counts() as counts:
            return self._spent(counts, period, self._clock())

    def _reached(self, period: Period, said: str) -> VendorLimitError:
        now = self._clock()
        end = dt.datetime.fromisoformat(_begin(period, now)) + _LENGTH[period]
        return VendorLimitError(
            f"{self._vendor}: {said}; go on after {end:%Y-%m-%d %H:%M} UTC (what came is kept)",
            (end - now).total_seconds(),
        )

    def _spent(self, counts: dict[str, Any], period: Period, now: dt.datetime) -> int:
        counted = counts.get(period, {})
        return int(counted["calls"]) if counted.get("began") == _begin(period, now) else 0

    @contextmanager
    def _counts(self) -> Iterator[dict[str, Any]]:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            counts = _read(file.read())
            yield counts
            file.truncate(0)
            file.write(json.dumps(counts))


def _begin(period: Period, now: dt.datetime) -> str:
    begun = now.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)
    return (begun if period == "hour" else begun.replace(hour=0)).isoformat()


def _read(text: str) -> dict[str, Any]:
    """The counts; none where a power cut left a part of them."""
    try:
        counts = json.loads(text or "{}")
    except ValueError:
        return {}
    return counts if isinstance(counts, dict) else {}
