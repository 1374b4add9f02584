"""From raw answers to bars and actions: which answers are still to be read, and what was read from each."""

import datetime as dt
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Literal

import duckdb

from aitrader_pipeline.market.actions import ActionBatch, ActionIntake
from aitrader_pipeline.market.bars import PriceBatch, RejectedBar
from aitrader_pipeline.market.fetching import Fetched
from aitrader_pipeline.market.intake import BarIntake
from aitrader_pipeline.market.vendors import RawAnswer, RawAnswers, Vendor
from aitrader_pipeline.store.sql import statement
from aitrader_pipeline.store.staging import insert_rows

Kind = Literal["bars", "actions"]

_PACKAGE = "aitrader_pipeline.market"
_COLUMNS = ("source", "key", "first_session", "last_session", "fetched_at", "file", "sha256", "error")


@dataclass(frozen=True)
class ReadAnswer:
    """An answer that was read: how much of one kind it gave, and how much of that was refused."""

    answer: RawAnswer
    taken: int
    refused: int


def note_fetched(con: duckdb.DuckDBPyConnection, source: str, fetched: Fetched) -> None:
    """Put what came and what failed into `price_fetches`, inside the caller's transaction."""
    failed = [(source, f.ask.key, f.ask.first, f.ask.last, f.at, None, None, f.error) for f in fetched.failed]
    _note(con, [*map(_row, fetched.answers), *failed])


def note_kept(con: duckdb.DuckDBPyConnection, source: str, answers: RawAnswers) -> None:
    """Put answers that are kept and not known yet into `price_fetches`, as after the mart was deleted."""
    rows = con.execute(statement(_PACKAGE, "fetched_files"), {"source": source}).fetchall()
    _note(con, list(map(_row, answers.all(source, known={file for (file,) in rows}))))


def files_read(con: duckdb.DuckDBPyConnection, source: str, kind: Kind) -> frozenset[str]:
    """The files of answers whose bars, or actions, were loaded."""
    rows = con.execute(statement(_PACKAGE, f"read_{kind}_files"), {"source": source}).fetchall()
    return frozenset(file for (file,) in rows)


def read_new_bars(
    vendor: Vendor, answers: RawAnswers, known: Container[str], calendar_name: str
) -> tuple[PriceBatch, Sequence[ReadAnswer]]:
    """Read the bars of the answers that were not read before.

    Of one symbol and session a newer answer's bar stands, but an open alone does not replace a whole bar.

    Args:
        vendor: Who answered.
        answers: Where its answers are kept.
        known: The files that were read before; see `files_read`.
        calendar_name: The exchange of the bars.

    Returns:
        One batch of all bars, and the answers; `note_read` is for when they are loaded.
    """
    lines: dict[str, str] = {}
    rejected: list[RejectedBar] = []
    read: list[ReadAnswer] = []
    for answer in answers.all(vendor.name, known=known):
        intake = BarIntake(calendar_name)
        vendor.parse(answer, intake, ActionIntake())
        batch = intake.batch(vendor.name)
        for line in batch.text.splitlines(keepends=True):
            symbol, date, _ = line.split(",", 2)
            subject = f"{symbol},{date}"
            if not _is_open_alone(line) or _is_open_alone(lines.get(subject, line)):
                lines[subject] = line
        rejected += batch.rejected
        read.append(ReadAnswer(answer, len(batch), len(batch.rejected)))
    return PriceBatch(vendor.name, "".join(sorted(lines.values())), tuple(rejected)), read


def read_new_actions(
    vendor: Vendor, answers: RawAnswers, known: Container[str], calendar_name: str
) -> tuple[ActionBatch, Sequence[ReadAnswer]]:
    """Read the corporate actions of the answers that were not read before; see `read_new_bars`."""
    intake, counts = ActionIntake(), []
    for answer in answers.all(vendor.name, known=known):
        own = ActionIntake()
        for target in (own, intake):
            vendor.parse(answer, BarIntake(calendar_name), target)
        batch = own.batch(vendor.name)
        counts.append(ReadAnswer(answer, len(batch.actions), len(batch.rejected)))
    return intake.batch(vendor.name), counts


def note_read(con: duckdb.DuckDBPyConnection, kind: Kind, read: Sequence[ReadAnswer], now: dt.datetime) -> None:
    """Note in `price_fetches` that these were read and loaded, inside the caller's transaction."""
    _note(con, [_row(r.answer) for r in read])
    for r in read:
        found = {"file": r.answer.file, "taken": r.taken, "refused": r.refused, "now": now}
        con.execute(statement(_PACKAGE, f"note_read_{kind}"), found)


def _note(con: duckdb.DuckDBPyConnection, rows: Sequence[tuple[object, ...]]) -> None:
    con.execute("CREATE OR REPLACE TEMP TABLE noted_fetches AS FROM price_fetches LIMIT 0")
    insert_rows(con, "noted_fetches", _COLUMNS, rows)
    con.execute(statement(_PACKAGE, "insert_price_fetches"))


def _row(answer: RawAnswer) -> tuple[object, ...]:
    came = (answer.source, answer.key, answer.first, answer.last, answer.fetched_at)
    return (*came, answer.file, answer.sha256, None)


def _is_open_alone(line: str) -> bool:
    return ",,," in line
