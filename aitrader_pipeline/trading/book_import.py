"""Books that other programs recorded, imported as sessions through the ledger.

A book is a `position.jsonl`: an opening balance, then one row per action with the book after it. Orders fill at
the day's open, without costs: the programs that wrote such books charged none, so an import never applies the
config's costs. Nor does it apply a corporate action: a book has only what its rows say. A row is checked against
the row before it *as stated*, so that one breach is reported once; the ledger's own portfolio goes on beside it,
exact, and is what the records hold.
"""

import asyncio
import datetime as dt
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from aitrader_pipeline.config import ModelConfig
from aitrader_pipeline.errors import BookError, StoreError
from aitrader_pipeline.money import money
from aitrader_pipeline.store.records import RecordStore
from aitrader_pipeline.trading.arena import Arena
from aitrader_pipeline.trading.book_replay import Replay
from aitrader_pipeline.trading.book_rows import Breach, read_rows
from aitrader_pipeline.trading.record import (
    SCHEMA_VERSION,
    Action,
    Book,
    ImportedBook,
    RefusedOrder,
    SessionRecord,
    Versions,
)

__all__ = ["BookImport", "Breach", "accept", "find_books", "read_book", "store_book"]

_BOOK = Path("position", "position.jsonl")
_LISTED = 50


@dataclass(frozen=True)
class BookImport:
    """A book as read: one record per session, and every breach in the order of its lines."""

    model: str
    file: Path
    records: tuple[SessionRecord, ...]
    breaches: tuple[Breach, ...]


def find_books(folder: Path) -> list[tuple[str, Path]]:
    """Find the books under a folder.

    Args:
        folder: holds ``<signature>/position/position.jsonl``, or is itself one ``<signature>`` folder.

    Returns:
        Signatures and their files, sorted by signature.

    Raises:
        BookError: there is no book, or a folder with one has a name that is no signature.
    """
    try:
        if (folder / _BOOK).is_file():
            own_name = folder.resolve().name if folder.name in ("", "..") else folder.name
            return [(_signature(own_name, folder), folder / _BOOK)]
        if not folder.is_dir():
            raise BookError(f"{folder}: no such folder; give one that holds <signature>/{_BOOK.as_posix()}")
        books = sorted(child for child in folder.iterdir() if (child / _BOOK).is_file())
    except OSError as error:
        raise BookError(f"{folder} cannot be read: {error.strerror}") from error
    if not books:
        raise BookError(
            f"{folder}: no books in it; give a folder that holds <signature>/{_BOOK.as_posix()} for each model, "
            f"or one that itself holds {_BOOK.as_posix()}"
        )
    return [(_signature(child.name, child), child / _BOOK) for child in books]


def read_book(model: str, path: Path, arena: Arena, launch: str) -> BookImport:
    """Read a book through the ledger; a bad row never raises, it is a breach.

    Fills are at the day's open and without costs, whatever costs the config has. What the ledger refuses is not
    executed; a row that cannot be read, or whose date cannot be one of the book's sessions, adds no action. The
    records hold the breaches of their days, and the ledger's exact money instead of the book's floats.

    Args:
        model: the signature under which the sessions are recorded.
        path: the book.
        arena: its calendar, prices, universe and initial cash are what the book is checked by.
        launch: the launch that imports.

    Returns:
        The records, not stored, and the breaches.

    Raises:
        BookError: the file cannot be read, or the model's name is no signature.
        PriceError: the arena has no prices at all.
    """
    _signature(model, path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BookError(f"{path} cannot be read: {error.strerror}") from error
    replay = Replay(arena)
    replay.run(read_rows(data))
    origin = ImportedBook(
        file=f"{path.parent.name}/{path.name}",
        sha256=hashlib.sha256(data).hexdigest(),
        lines=(),
        adjusted=arena.config.market.adjusted,
    )
    records = tuple(_records(replay, model, arena, launch, origin))
    return BookImport(model, path, records, tuple(sorted(replay.breaches, key=lambda breach: breach.line)))


def accept(book: BookImport, *, accept_breaches: bool) -> None:
    """Let a book pass, or say why not.

    Args:
        book: as read.
        accept_breaches: take it with its breaches flagged in the records.

    Raises:
        BookError: it has breaches that are not accepted, or nothing that could be recorded.
    """
    if book.breaches and not accept_breaches:
        raise BookError(
            f"{_listing(book)}\nNothing of it was imported. Mend the book, or take it with its breaches flagged: "
            "--accept-breaches"
        )
    _refuse_empty(book)


def store_book(
    book: BookImport, records: RecordStore, *, on_wait: Callable[[], None] = lambda: None
) -> tuple[dt.date, ...]:
    """Store a book's records in place of what was imported before; :func:`accept` it first.

    Everything is checked before the first file is written, under the lock of the model's chain; should a write
    fail, the records that were there are put back.

    Args:
        book: as read and accepted.
        records: where the records go.
        on_wait: called once if another process holds the model's chain.

    Returns:
        Sessions of an earlier import that this book does not have: their records are gone.

    Raises:
        BookError: the model has sessions that were really run, or the book has no session.
        StoreError: a record cannot be read or written.
    """
    _refuse_empty(book)
    return asyncio.run(_store(book, records, on_wait))


async def _store(book: BookImport, records: RecordStore, on_wait: Callable[[], None]) -> tuple[dt.date, ...]:
    async with records.lock(book.model, on_wait):
        before = {
            date: record
            for date in records.dates(book.model)
            if (record := records.read(book.model, date)) is not None
        }
        _refuse_to_replace_sessions(book, list(before.values()))
        new = {record.date for record in book.records}
        dropped = tuple(sorted(before.keys() - new))
        try:
            for record in book.records:
                records.write(record)
            for date in dropped:
                _remove(records, book.model, date)
        except BaseException:
            for date in new - before.keys():
                _remove(records, book.model, date)
            for record in before.values():
                records.write(record)
            raise
        return dropped


def _remove(records: RecordStore, model: str, date: dt.date) -> None:
    path = records.path(model, date)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"cannot remove {path}: {error.strerror}") from error


def _records(
    replay: Replay, model: str, arena: Arena, launch: str, origin: ImportedBook
) -> Iterator[SessionRecord]:
    previous: SessionRecord | None = None
    initial_cash = arena.config.agent_config.initial_cash
    for number, (day, flags) in enumerate(zip(replay.days, replay.flagged(), strict=True), start=1):
        opened_at = arena.calendar.open_at(day.date)
        previous = SessionRecord(
            schema_version=SCHEMA_VERSION,
            date=day.date,
            model=model,
            kind="model",
            source="import",
            trader="import",
            launch=launch,
            session_number=number,
            opened_from=previous.ref if previous else None,
            versions=Versions(config="", prices=day.view.hash),
            initial_cash=initial_cash,
            start=previous.end if previous else Book(cash=money(initial_cash)),
            end=Book.of(day.ledger.portfolio),
            actions=Action.numbered(day.ledger.fills),
            refusals=tuple(map(RefusedOrder.of, day.ledger.refusals)),
            end_reason="imported",
            started_at=opened_at,
            finished_at=opened_at,
            book=origin.model_copy(update={"lines": tuple(day.lines), "breaches": flags}),
        )
        yield previous


def _signature(name: str, place: Path) -> str:
    """A name that passes the config's rule for signatures; it becomes a part of the records' paths."""
    try:
        return ModelConfig(name=name or "-", signature=name, trader="cash").signature
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise BookError(f"{place}: the folder's name is the model's signature: {reason}") from None


def _refuse_empty(book: BookImport) -> None:
    if not book.records:
        raise BookError(f"{_listing(book)}\nIt has no session that can be recorded; nothing of it was imported.")


def _refuse_to_replace_sessions(book: BookImport, before: list[SessionRecord]) -> None:
    run = sorted(record.date for record in before if record.source == "session")
    if run:
        count = "1 session that was" if len(run) == 1 else f"{len(run)} sessions that were"
        raise BookError(
            f"{book.file}: {book.model} has {count} really run ({run[0]} to {run[-1]}), and importing would "
            "replace what they did; rename the book's folder to import it as another model"
        )


def _listing(book: BookImport) -> str:
    count = "1 breach" if len(book.breaches) == 1 else f"{len(book.breaches)} breaches"
    lines = [f"{book.file}: {count} of the ledger's rules", *(f"  {b}" for b in book.breaches[:_LISTED])]
    more = len(book.breaches) - _LISTED
    return "\n".join([*lines, f"  ... and {more} more"] if more > 0 else lines)
