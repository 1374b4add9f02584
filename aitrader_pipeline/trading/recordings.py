"""Recordings: what models and foreign tools answered, so that a session can be run again without asking them.

An answer is kept under the hash of what was asked, one file each, per model-day. Nothing of how it was asked is in
it: no address, no header, no key.
"""

import datetime as dt
import difflib
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic_core import to_json

from aitrader_pipeline.errors import SessionError, StoreError

Mode = Literal["off", "record", "auto", "replay"]
Kind = Literal["model_call", "tool_call", "tool_list"]

_DIFF_LINES = 40


@dataclass(frozen=True)
class Tape:
    """The recordings of one model-day.

    Attributes:
        folder: where they lie, a file an answer.
        mode: whether answers are kept, and whether they are taken instead of asking.
        by_number: take the answer of the same number where what is asked differs.
    """

    folder: Path
    mode: Mode
    by_number: bool = False

    @property
    def is_read(self) -> bool:
        """Whether answers are taken from it."""
        return self.mode in ("auto", "replay")

    @property
    def is_written(self) -> bool:
        """Whether answers are kept on it."""
        return self.mode in ("record", "auto")

    def answer(self, kind: Kind, number: int, asked: Mapping[str, Any]) -> Any | None:  # noqa: ANN401 - any JSON
        """What was answered, None where it has to be asked for.

        Args:
            kind: what is asked for.
            number: counts the session's requests of this kind, from 1.
            asked: the request.

        Raises:
            SessionError: nobody may be asked, and this was never answered; it shows what differs.
        """
        if not self.is_read:
            return None
        found = self._read(self._path(kind, number, asked))
        if found is None and self.by_number:
            found = next(self._recorded(kind, number), None)
        if found is not None:
            self.keep(kind, number, asked, found["answer"])
            return found["answer"]
        if self.mode == "auto":
            return None
        raise SessionError(self._difference(kind, number, asked))

    def keep(self, kind: Kind, number: int, asked: Mapping[str, Any], answer: object) -> None:
        """Keep an answer, until the session has come to its end beside what was kept before.

        Raises:
            StoreError: it cannot be written.
        """
        if not self.is_written:
            return
        path = self._pending / self._path(kind, number, asked).name
        document = {
            "kind": kind,
            "number": number,
            "recorded_at": dt.datetime.now(dt.UTC).isoformat(),
            "asked": asked,
            "answer": answer,
        }
        try:
            self._pending.mkdir(parents=True, exist_ok=True)
            path.write_bytes(to_json(document, indent=1))
        except OSError as error:
            raise StoreError(f"cannot write {path}: {error.strerror}") from error

    def begin(self) -> None:
        """A session begins: what an earlier one kept that did not come to its end is dropped."""
        if self.is_written:
            shutil.rmtree(self._pending, ignore_errors=True)

    def commit(self) -> None:
        """The session has come to its end: what it kept is in the place of all that was kept before.

        Raises:
            StoreError: it cannot be put there.
        """
        if not self.is_written or not self._pending.exists():
            return
        try:
            shutil.rmtree(self.folder, ignore_errors=True)
            self._pending.rename(self.folder)
        except OSError as error:
            raise StoreError(f"cannot write {self.folder}: {error.strerror}") from error

    @property
    def _pending(self) -> Path:
        # One process at a time extends a model's chain, and it does one session after the other.
        return self.folder.with_name(f".{self.folder.name}.partial")

    def _path(self, kind: Kind, number: int, asked: Mapping[str, Any]) -> Path:
        digest = hashlib.sha256(_canonical(asked).encode()).hexdigest()
        return self.folder / f"{kind}-{number:04}-{digest[:32]}.json"

    def _recorded(self, kind: Kind, number: int) -> Iterator[Mapping[str, Any]]:
        for path in sorted(self.folder.glob(f"{kind}-{number:04}-*.json")):
            found = self._read(path)
            if found is not None:
                yield found

    @staticmethod
    def _read(path: Path) -> Mapping[str, Any] | None:
        try:
            document = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise StoreError(f"{path} is not a recording ({error}); move it away") from error
        if not isinstance(document, dict) or "answer" not in document:
            raise StoreError(f"{path} is not a recording (it has no answer); move it away")
        return document

    def _difference(self, kind: Kind, number: int, asked: Mapping[str, Any]) -> str:
        what = f"{kind.replace('_', ' ')} {number}"
        recorded = next(self._recorded(kind, number), None)
        if recorded is None:
            return f"replay: nothing is recorded of {what} of this session; run it with recordings first"
        lines = list(
            difflib.unified_diff(
                _readable(recorded["asked"]), _readable(asked), "recorded", "asked now", n=1, lineterm=""
            )
        )
        more = f"\n… and {len(lines) - _DIFF_LINES} lines more" if len(lines) > _DIFF_LINES else ""
        return f"replay: {what} differs from what was recorded:\n" + "\n".join(lines[:_DIFF_LINES]) + more


# Of a session that asks nobody, or of which nothing is to be kept.
UNRECORDED = Tape(Path(), "off")


@dataclass(frozen=True)
class Recordings:
    """All recordings under a folder, as ``model=<signature>/date=<session>/``."""

    root: Path
    mode: Mode = "record"
    by_number: bool = False

    def tape(self, model: str, date: dt.date) -> Tape:
        """Those of one model-day."""
        return Tape(self.root / f"model={model}" / f"date={date.isoformat()}", self.mode, self.by_number)


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _readable(asked: object) -> list[str]:
    """Lines to compare: texts are broken where they have line breaks."""
    text = json.dumps(asked, indent=1, sort_keys=True, ensure_ascii=False)
    return [part for line in text.splitlines() for part in line.split("\\n")]
