"""Importing recorded books in this process: all are checked through the ledger before the first is stored."""

import uuid
from dataclasses import dataclass
from pathlib import Path

from aitrader_pipeline.config import Settings
from aitrader_pipeline.market.actions_table import read_actions
from aitrader_pipeline.market.prices import read_history
from aitrader_pipeline.partitions import calendar_of
from aitrader_pipeline.store.mart import reading
from aitrader_pipeline.store.records import RecordStore
from aitrader_pipeline.trading.arena import Arena
from aitrader_pipeline.trading.book_import import accept, find_books, read_book, store_book
from aitrader_pipeline.trading.chains import Cell


@dataclass(frozen=True)
class ImportedModel:
    """A book that was taken: its sessions, what an earlier import of it had more, and what was flagged."""

    model: str
    file: Path
    cells: tuple[Cell, ...]
    removed: tuple[Cell, ...]
    breaches: tuple[str, ...]


def import_books(settings: Settings, folder: Path, *, accept_breaches: bool) -> list[ImportedModel]:
    """Take every book under a folder, or none.

    Args:
        settings: the active arena; its prices must be loaded.
        folder: holds ``<signature>/position/position.jsonl``, or is one such signature's folder.
        accept_breaches: take books that break the ledger's rules, each breach flagged in the records.

    Raises:
        BookError: there is no book, one breaks the rules, or it would replace sessions that were really run.
    """
    with reading(settings.mart_path) as con:
        history, actions = read_history(con), read_actions(con)
    records = RecordStore(settings.records_dir)
    arena = Arena(settings.config, calendar_of(settings), history, records, actions=actions)
    launch = str(uuid.uuid4())
    books = [read_book(model, path, arena, launch) for model, path in find_books(folder)]
    for book in books:
        accept(book, accept_breaches=accept_breaches)
    taken: list[ImportedModel] = []
    for book in books:
        removed = store_book(book, records)
        taken.append(
            ImportedModel(
                model=book.model,
                file=book.file,
                cells=tuple(Cell(record.date, book.model) for record in book.records),
                removed=tuple(Cell(date, book.model) for date in removed),
                breaches=tuple(str(breach) for breach in book.breaches),
            )
        )
    return taken
