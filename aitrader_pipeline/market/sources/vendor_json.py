"""Bars from JSON as the vendor and the benchmark write it: one document a symbol, prices as strings.

The benchmark's file has one such document a line, with `1. buy price` for the open and `4. sell price` for
the close; its newest bar holds the open alone. The vendor's own files hold one document each.
"""

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from aitrader_pipeline.market.bars import PriceBatch, RawBar
from aitrader_pipeline.market.intake import BarIntake
from aitrader_pipeline.market.sources.paths import data_files, usable

_WANTED = (
    "a JSONL file with one symbol a line, or a folder of the vendor's .json files,"
    ' each with "Meta Data" and "Time Series (Daily)"'
)
_FIELDS = {
    "1. buy price": "open",
    "1. open": "open",
    "2. high": "high",
    "3. low": "low",
    "4. sell price": "close",
    "4. close": "close",
    "5. volume": "volume",
}
_SHOWN_KEYS = 5


class _Repeating(list[tuple[str, object]]):
    """A JSON object that gives a key twice, as the pairs that it gives: a plain dict would keep the last."""

    def items(self) -> list[tuple[str, object]]:
        return self

    def get(self, key: str) -> object:
        return next((value for name, value in self if name == key), None)


_OBJECT = (dict, _Repeating)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object] | _Repeating:
    plain = dict(pairs)
    return plain if len(plain) == len(pairs) else _Repeating(pairs)


class VendorJsonSource:
    """Reads the benchmark's merged JSONL file, or a folder of the vendor's files.

    Args:
        name: The source's name, kept with each bar.
        path: A JSONL file, one `.json` document, or a folder whose `.json` files are read in the order of
            their names.
    """

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.path = path

    def read(self, calendar_name: str) -> PriceBatch:
        """Read every document; see `PriceSource.read`."""
        intake = BarIntake(calendar_name)
        with _without_collecting():
            for file in data_files(self.path, (".json",), _WANTED):
                for text, line in _documents(file):
                    _read_document(text, file.name, line, intake)
            return usable(intake.batch(self.name), self.path, _WANTED)


@contextmanager
def _without_collecting() -> Iterator[None]:
    """No garbage is collected meanwhile: none is in a cycle, and a third of the time went into looking for it."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _documents(file: Path) -> Iterator[tuple[bytes, int | None]]:
    if file.suffix.lower() == ".json":
        yield file.read_bytes(), None
        return
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield line, number


def _read_document(text: bytes, file: str, line: int | None, intake: BarIntake) -> None:
    try:
        document = json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        reason = f"no JSON: {error.msg} (column {error.colno})"
        intake.refuse(reason, file=file, line=error.lineno if line is None else line)
        return
    except (ValueError, RecursionError) as error:
        intake.refuse(f"no JSON: {error}", file=file, line=line)
        return
    if not isinstance(document, _OBJECT):
        intake.refuse("the JSON is no object with a symbol and its series", file=file, line=line)
        return
    meta = document.get("Meta Data")
    symbol = meta.get("2. Symbol") if isinstance(meta, _OBJECT) else None
    series = next((value for key, value in document.items() if key.startswith("Time Series")), None)
    if not isinstance(series, _OBJECT):
        # The keys alone: a vendor's error text can echo the caller's key.
        keys = ", ".join(repr(key[:40]) for key, _ in list(document.items())[:_SHOWN_KEYS]) or "none"
        reason = f'no key "Time Series …" with an object of bars (keys: {keys})'
        intake.refuse(reason, symbol=symbol, file=file, line=line)
        return
    if not isinstance(symbol, str) or not symbol.strip():
        intake.refuse('no symbol under "Meta Data", "2. Symbol"', file=file, line=line)
        return
    for date, values in series.items():
        _read_bar(values, symbol, date, file, line, intake)


def _read_bar(values: object, symbol: str, date: str, file: str, line: int | None, intake: BarIntake) -> None:
    place = "" if line is not None else f"bar of {date[:40]}"
    if not isinstance(values, _OBJECT):
        intake.refuse("the bar is no JSON object", symbol=symbol, date=date, file=file, line=line)
        return
    if isinstance(values, dict) and (keys := _keys_of_fields(tuple(values))) is not None:
        raw = RawBar(*[None if key is None else values[key] for key in keys])
        intake.add(raw, symbol=symbol, date=date, file=file, line=line, place=place)
        return
    fields: dict[str, object] = {}
    for key, value in values.items():
        field = _FIELDS.get(key)
        if field is not None and fields.setdefault(field, value) != value:
            reason = f"{field} is given twice with different values"
            intake.refuse(reason, symbol=symbol, date=date, file=file, line=line)
            return
    raw = RawBar(*map(fields.get, RawBar._fields))
    intake.add(raw, symbol=symbol, date=date, file=file, line=line, place=place)


@lru_cache(maxsize=64)
def _keys_of_fields(keys: tuple[str, ...]) -> tuple[str | None, ...] | None:
    """Under which of its keys an object has each value of a bar; None as a whole where it has one twice."""
    by_field = {_FIELDS[key]: key for key in keys if key in _FIELDS}
    if len(by_field) < sum(key in _FIELDS for key in keys):
        return None
    return tuple(by_field.get(field) for field in RawBar._fields)
