"""The vendors' answers on disk, as they came: bars and actions can be read from them again at any time."""

import datetime as dt
import gzip
import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path

from aitrader_pipeline.errors import PriceError
from aitrader_pipeline.market.vendors.contract import RawAnswer, folder_of

_SUFFIX = ".json.gz"


@dataclass(frozen=True)
class RawAnswers:
    """Answers under a folder, as ``<source>/<key>/<when it came>.json.gz``; each is written once."""

    root: Path

    def folder(self, source: str) -> Path:
        """Where all that came from a source lies."""
        return self.root / source

    def save(self, answer: RawAnswer) -> Path:
        """Keep an answer; a reader sees the whole file or none.

        Raises:
            PriceError: the file cannot be written; nothing is left behind.
        """
        path = self.root / answer.file
        document = {
            "source": answer.source,
            "key": answer.key,
            "first": answer.first.isoformat(),
            "last": answer.last.isoformat(),
            "fetched_at": answer.fetched_at.isoformat(),
            "sha256": answer.sha256,
            "body": answer.body.decode(),
        }
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=".", suffix=".partial", dir=path.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(gzip.compress(json.dumps(document).encode(), mtime=0))
                    file.flush()
                    os.fsync(file.fileno())
                Path(name).replace(path)
            finally:
                Path(name).unlink(missing_ok=True)
        except OSError as error:
            raise PriceError(f"cannot write {path}: {error.strerror}") from error
        return path

    def all(self, source: str, key: str | None = None, known: Container[str] = ()) -> Iterator[RawAnswer]:
        """The answers of a source, or to what was asked under one key, the oldest first, one at a time.

        Args:
            source: The vendor's name.
            key: What was asked for; None for everything.
            known: Files, as `RawAnswer.file` names them, that are passed over unopened.
        """
        files = self.folder(source).glob(f"{folder_of(key) if key else '*'}/[!.]*{_SUFFIX}")
        unknown = (path for path in files if path.relative_to(self.root).as_posix() not in known)
        yield from map(self.read, sorted(unknown, key=lambda path: (path.name, path.parent.name)))

    def newest(self, source: str, key: str) -> RawAnswer | None:
        """The newest answer to what was asked under a key, None without one."""
        files = (self.folder(source) / folder_of(key)).glob(f"[!.]*{_SUFFIX}")
        path = max(files, key=lambda path: path.name, default=None)
        return self.read(path) if path else None

    def read(self, path: Path) -> RawAnswer:
        """Read one answer.

        Raises:
            PriceError: the file is not what was written; it names the file.
        """
        try:
            document = json.loads(gzip.decompress(path.read_bytes()))
            answer = RawAnswer(
                source=document["source"],
                key=document["key"],
                first=dt.date.fromisoformat(document["first"]),
                last=dt.date.fromisoformat(document["last"]),
                fetched_at=dt.datetime.fromisoformat(document["fetched_at"]),
                sha256=document["sha256"],
                body=document["body"].encode(),
            )
        except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, zlib.error) as error:
            raise _spoilt(path) from error
        if hashlib.sha256(answer.body).hexdigest() != answer.sha256:
            raise _spoilt(path)
        return answer


def _spoilt(path: Path) -> PriceError:
    return PriceError(f"{path} is no answer of a vendor any more; delete it, and it is fetched again")
