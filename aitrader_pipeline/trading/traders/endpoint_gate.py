"""Limits of an endpoint, kept by all runs of an arena together: calls at once, and calls a minute.

Runs are processes of their own, and Dagster's pools count steps, not calls. A call holds one of the endpoint's
slots, which are locked files: the kernel frees them when their holder dies.
"""

import asyncio
import fcntl
import hashlib
import random
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import BinaryIO
from weakref import WeakKeyDictionary

_POLL_SECONDS = 0.02
# A turn later than that was booked by a clock that went wrong.
_LONGEST_QUEUE_SECONDS = 86_400.0


class EndpointGate:
    """The way to one endpoint."""

    def __init__(
        self, root: Path, endpoint: str, *, max_concurrent_calls: int, calls_per_minute: float | None
    ) -> None:
        """Share an endpoint with everybody who names the same folder.

        Args:
            root: the folder that keeps what the runs share.
            endpoint: its address.
            max_concurrent_calls: calls under way at once.
            calls_per_minute: calls begun in a minute, evenly spread; None for no limit.
        """
        self._folder = root / hashlib.sha256(endpoint.encode()).hexdigest()[:16]
        self._slots = [self._folder / f"slot-{number}" for number in range(max_concurrent_calls)]
        self._interval = 60 / calls_per_minute if calls_per_minute else 0.0
        self._queues: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()

    @asynccontextmanager
    async def call(self) -> AsyncIterator[None]:
        """Wait for a turn, and hold it while the call is under way."""
        with ExitStack() as held:
            # One of this process tries at a time; a lock belongs to its event loop.
            async with self._queues.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
                held.enter_context(await self._slot())
                await asyncio.sleep(self._wait())
            yield

    async def _slot(self) -> BinaryIO:
        self._folder.mkdir(parents=True, exist_ok=True)
        while True:
            # Not always the first one: runs that begin together would all try the same.
            for path in random.sample(self._slots, len(self._slots)):  # nosec B311
                file = path.open("ab")
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    file.close()
                else:
                    return file
            await asyncio.sleep(_POLL_SECONDS)

    def _wait(self) -> float:
        """Seconds until the next call may begin; books that turn."""
        if not self._interval:
            return 0.0
        with (self._folder / "next_call").open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            now = time.time()
            turn = max(now, min(float(file.read() or 0), now + _LONGEST_QUEUE_SECONDS))
            file.truncate(0)
            file.write(repr(turn + self._interval))
        return turn - now
