"""The record store: one immutable file per model-day, replaced as a whole or not at all."""

import asyncio
import datetime as dt
import fcntl
import os
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from aitrader_pipeline.errors import StoreError
from aitrader_pipeline.trading.record import SessionRecord

_FOLDER = "model={}"
_FILE = "date={}.json"


@dataclass(frozen=True)
class RecordStore:
    """Records under a folder, as ``model=<signature>/date=<session>.json``."""

    root: Path

    def path(self, model: str, date: dt.date) -> Path:
        """Where the record of a model-day lies, or will lie."""
        return self._folder(model) / _FILE.format(date.isoformat())

    def models(self) -> list[str]:
        """Signatures that have at least one record, sorted."""
        folders = sorted(self.root.glob(_FOLDER.format("*")))
        return [f.name.partition("=")[2] for f in folders if any(f.glob(_FILE.format("*")))]

    def dates(self, model: str) -> list[dt.date]:
        """Sessions of which a model has a record, sorted.

        Raises:
            StoreError: a file is not named after a session; it names the file.
        """
        folder = self._folder(model)
        if not folder.is_dir():
            return []
        before, after = _FILE.split("{}")
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries]
        return sorted(_session_of(folder, n) for n in names if n.startswith(before) and n.endswith(after))

    def read(self, model: str, date: dt.date) -> SessionRecord | None:
        """The record of a model-day, None if there is none.

        Raises:
            StoreError: the file is not a record; it names the file.
        """
        path = self.path(model, date)
        try:
            record = SessionRecord.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise StoreError(
                f"{path} is not a session record ({error.error_count()} problems, first: "
                f"{error.errors()[0]['msg']}); move it away and run the model-day again"
            ) from error
        if (record.model, record.date) != (model, date):
            raise StoreError(
                f"{path} holds the record of {record.model} on {record.date}; move it to its own place"
            )
        return record

    def before(self, model: str, date: dt.date) -> SessionRecord | None:
        """A model's newest record of a session before the date."""
        day = max((d for d in self.dates(model) if d < date), default=None)
        return self.read(model, day) if day else None

    def write(self, record: SessionRecord) -> Path:
        """Store a record; readers see the old file or the new one, never a part of one.

        Raises:
            StoreError: the file cannot be written; nothing is left behind.
        """
        path = self.path(record.model, record.date)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=".", suffix=".partial", dir=path.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(record.to_json())
                    file.flush()
                    os.fsync(file.fileno())
                Path(name).replace(path)
            finally:
                Path(name).unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"cannot write {path}: {error.strerror}") from error
        return path

    @asynccontextmanager
    async def lock(
        self, model: str, on_wait: Callable[[], None], poll_seconds: float = 0.2
    ) -> AsyncIterator[None]:
        """Hold a model's chain: one process at a time extends it. The kernel frees the lock if its holder dies.

        Args:
            model: the model's signature.
            on_wait: called once if another process holds the lock.
            poll_seconds: time between two attempts.
        """
        self._folder(model).mkdir(parents=True, exist_ok=True)
        with (self._folder(model) / ".lock").open("w") as file:
            waiting = False
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if not waiting:
                        waiting = True
                        on_wait()
                    await asyncio.sleep(poll_seconds)
            self._clear_partials(model)
            yield

    def _clear_partials(self, model: str) -> None:
        """Remove what a killed process left behind; the holder of the lock is the only writer."""
        for leftover in self._folder(model).glob(".*.partial"):
            leftover.unlink(missing_ok=True)

    def _folder(self, model: str) -> Path:
        return self.root / _FOLDER.format(model)


def _session_of(folder: Path, name: str) -> dt.date:
    try:
        return dt.date.fromisoformat(name.partition("=")[2].removesuffix(".json"))
    except ValueError as error:
        raise StoreError(
            f"{folder / name} is not named after a session, such as date=2025-10-02.json; move it away"
        ) from error
