"""The record store under other processes: killed writers, held locks, files that are no records."""

import asyncio
import datetime as dt
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from aitrader_pipeline.errors import StoreError
from aitrader_pipeline.store.records import RecordStore
from aitrader_pipeline.trading.record import Book, SessionRecord, Versions

MODEL = "gpt-5"
THU, FRI, MON = dt.date(2025, 10, 2), dt.date(2025, 10, 3), dt.date(2025, 10, 6)
AT = dt.datetime(2025, 10, 2, 13, 30, tzinfo=dt.UTC)


def record_of(date: dt.date, model: str = MODEL, **changes: Any) -> SessionRecord:
    fields: dict[str, Any] = {
        "schema_version": 1,
        "date": date,
        "model": model,
        "kind": "baseline",
        "trader": "cash",
        "launch": "launch-a",
        "session_number": 1,
        "versions": Versions(config="c", prices="p"),
        "initial_cash": Decimal(10000),
        "start": Book(cash=Decimal(10000)),
        "end": Book(cash=Decimal(10000)),
        "end_reason": "finished",
        "started_at": AT,
        "finished_at": AT,
    }
    return SessionRecord(**(fields | changes))


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def hold_briefly(store: RecordStore) -> list[str]:
    """Take a model's lock and let it go; the names of those that had to be waited for."""
    waited: list[str] = []

    async def session() -> None:
        async with store.lock(MODEL, lambda: waited.append(MODEL), poll_seconds=0.01):
            pass

    asyncio.run(session())
    return waited


# ---- reading and writing


def test_a_written_record_is_read_back_from_its_own_place(tmp_path: Path) -> None:
    store = RecordStore(tmp_path / "records")
    path = store.write(record_of(THU))
    assert path == tmp_path / "records" / "model=gpt-5" / "date=2025-10-02.json"
    assert store.read(MODEL, THU) == record_of(THU)
    assert files_in(path.parent) == ["date=2025-10-02.json"]


def test_a_record_is_replaced_as_a_whole(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    store.write(record_of(THU, launch="a" * 5000))
    store.write(record_of(THU, launch="b"))
    assert store.read(MODEL, THU) == record_of(THU, launch="b")
    assert files_in(tmp_path / "model=gpt-5") == ["date=2025-10-02.json"]


def test_what_was_never_run_is_none(tmp_path: Path) -> None:
    store = RecordStore(tmp_path / "nowhere")
    assert store.read(MODEL, THU) is None
    assert store.before(MODEL, THU) is None
    assert (store.models(), store.dates(MODEL)) == ([], [])
    assert not (tmp_path / "nowhere").exists()


def test_models_and_dates_are_those_with_a_record_in_order(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    for date, model in [(MON, "b.2"), (THU, "b.2"), (FRI, "a_1"), (FRI, "b.2")]:
        store.write(record_of(date, model))
    hold_briefly(store)
    (tmp_path / "model=b.2" / ".x.partial").write_text("{")
    (tmp_path / "model=b.2" / "notes.txt").write_text("mine")
    (tmp_path / "elsewhere").mkdir()
    assert (tmp_path / "model=gpt-5" / ".lock").exists()
    assert store.models() == ["a_1", "b.2"]
    assert store.dates("b.2") == [THU, FRI, MON]
    assert store.dates(MODEL) == []


def test_the_record_before_a_date_is_the_newest_earlier_one(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    for date in (THU, FRI):
        store.write(record_of(date))
    found = [store.before(MODEL, date) for date in (THU, FRI, MON)]
    assert [record and record.date for record in found] == [None, THU, FRI]


# ---- files that are no records


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff\xfe", b'{"schema_version": 1}'], ids=repr)
def test_a_file_that_is_no_record_is_named_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    store = RecordStore(tmp_path)
    path = store.write(record_of(THU))
    path.write_bytes(content)
    with pytest.raises(StoreError) as told:
        store.read(MODEL, THU)
    assert str(told.value).startswith(f"{path} is not a session record (")
    assert str(told.value).endswith("move it away and run the model-day again")


def test_a_record_cut_short_at_any_place_is_never_taken_for_one(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    path = store.write(record_of(THU))
    whole = path.read_bytes().rstrip()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(StoreError, match="is not a session record"):
            store.read(MODEL, THU)


def test_a_copy_under_another_name_is_not_taken_for_that_session(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    copy = store.write(record_of(THU)).with_name("date=2025-10-03.json")
    copy.write_bytes(record_of(THU).to_json())
    with pytest.raises(StoreError) as told:
        store.read(MODEL, FRI)
    assert str(told.value).startswith(f"{copy} holds the record of gpt-5 on 2025-10-02")


def test_a_file_that_is_named_after_no_session_is_named(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    odd = store.write(record_of(THU)).with_name("date=2025-10-02 (copy).json")
    odd.write_text("{}")
    with pytest.raises(StoreError) as told:
        store.dates(MODEL)
    assert str(odd) in str(told.value)


def test_a_record_that_cannot_be_written_leaves_nothing_and_is_named(tmp_path: Path) -> None:
    (tmp_path / "model=gpt-5").write_text("a file where the folder should be")
    with pytest.raises(StoreError, match=r"cannot write .*date=2025-10-02\.json: File exists"):
        RecordStore(tmp_path).write(record_of(THU))
    taken = tmp_path / "other" / "model=gpt-5" / "date=2025-10-02.json"
    taken.mkdir(parents=True)
    with pytest.raises(StoreError, match=r"cannot write .*date=2025-10-02\.json: Is a directory"):
        RecordStore(tmp_path / "other").write(record_of(THU))
    assert files_in(taken.parent) == ["date=2025-10-02.json"]


# ---- other processes

WRITER = """
import asyncio, datetime as dt, sys
from pathlib import Path
from aitrader_pipeline.store.records import RecordStore
from aitrader_pipeline.trading.record import SessionRecord

store = RecordStore(Path(sys.argv[1]))
first = store.read("gpt-5", dt.date(2025, 10, 2))

async def write():
    async with store.lock("gpt-5", lambda: None):
        print("writing", flush=True)
        while True:
            for day in range(3, 31):
                store.write(first.model_copy(update={"date": dt.date(2025, 10, day)}))

asyncio.run(write())
"""

REPLACER = """
import datetime as dt, sys
from pathlib import Path
from aitrader_pipeline.store.records import RecordStore

store = RecordStore(Path(sys.argv[1]))
record = store.read("gpt-5", dt.date(2025, 10, 2))
print("replacing", flush=True)
while True:
    store.write(record)
"""

HOLDER = """
import asyncio, sys
from pathlib import Path
from aitrader_pipeline.store.records import RecordStore

async def hold():
    async with RecordStore(Path(sys.argv[1])).lock("gpt-5", lambda: None):
        print("held", flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(hold())
"""


@contextmanager
def process(program: str, root: Path) -> Iterator[subprocess.Popen[str]]:
    """A Python process that has said its first word."""
    command = [sys.executable, "-c", program, str(root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline()
            yield child
        finally:
            child.kill()


def kill_while_it_writes(child: subprocess.Popen[str], folder: Path) -> None:
    """Kill a writer at the moment at which a temporary file of it is seen."""
    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline and not any(folder.glob(".*.partial")):
        pass
    child.send_signal(signal.SIGKILL)
    child.wait()


def test_a_killed_writer_leaves_whole_records_or_none_and_its_leftovers_are_cleared(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    folder = store.write(record_of(THU, trader="x" * 300_000)).parent
    leftovers = 0
    for _ in range(6):
        with process(WRITER, tmp_path) as child:
            kill_while_it_writes(child, folder)
        dates = store.dates(MODEL)
        for date in dates:
            record = store.read(MODEL, date)
            assert record is not None
            assert (record.date, len(record.trader)) == (date, 300_000)
        leftovers += sum(name.endswith(".partial") for name in files_in(folder))
        hold_briefly(store)
        assert files_in(folder) == [".lock", *(f"date={date}.json" for date in dates)]
    assert leftovers, "no writer was killed in the middle of a write: the test has shown nothing"


def test_a_reader_never_sees_a_part_of_a_record_that_is_being_replaced(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    written = record_of(THU, trader="x" * 300_000)
    store.write(written)
    with process(REPLACER, tmp_path) as child:
        for _ in range(150):
            assert store.read(MODEL, THU) == written
        assert child.poll() is None


def test_one_process_waits_until_another_lets_the_model_go(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    waited: list[float] = []

    async def session(holder: subprocess.Popen[str]) -> float:
        def on_wait() -> None:
            assert holder.stdin is not None
            waited.append(time.monotonic())
            asyncio.get_running_loop().call_later(0.3, holder.stdin.close)

        async with store.lock(MODEL, on_wait, poll_seconds=0.02):
            return time.monotonic()

    with process(HOLDER, tmp_path) as holder:
        got = asyncio.run(session(holder))
    assert len(waited) == 1
    assert got - waited[0] >= 0.3


def test_other_models_are_free_while_one_is_held(tmp_path: Path) -> None:
    async def session() -> None:
        async with RecordStore(tmp_path).lock("other", lambda: pytest.fail("it waited")):
            pass

    with process(HOLDER, tmp_path):
        asyncio.run(session())


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    with process(HOLDER, tmp_path) as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert hold_briefly(RecordStore(tmp_path)) == []


def test_two_chains_of_one_model_in_one_process_take_turns(tmp_path: Path) -> None:
    store, log = RecordStore(tmp_path), []

    async def chain(name: str) -> None:
        async with store.lock(MODEL, lambda: None, poll_seconds=0.01):
            log.append(name)
            await asyncio.sleep(0.05)
            log.append(name)

    async def both() -> None:
        await asyncio.gather(chain("a"), chain("b"))

    asyncio.run(both())
    assert log in (["a", "a", "b", "b"], ["b", "b", "a", "a"])


def test_the_lock_is_let_go_when_its_holder_fails(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)

    async def fail() -> None:
        async with store.lock(MODEL, lambda: None):
            raise StoreError("the model does not answer")

    with pytest.raises(StoreError, match="does not answer"):
        asyncio.run(fail())
    assert hold_briefly(store) == []
