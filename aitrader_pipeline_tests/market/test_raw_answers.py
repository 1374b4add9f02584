"""Raw answers on disk: as they came, whole or not at all, in the order in which they came."""

import datetime as dt
import hashlib
from pathlib import Path

import pytest

from aitrader_pipeline.errors import PriceError
from aitrader_pipeline.market.vendors import RawAnswer, RawAnswers

DAY = dt.date(2025, 10, 30)
CAME = dt.datetime(2025, 10, 30, 21, 0, 0, 5, tzinfo=dt.UTC)


def _answer(key: str, minutes: int = 0, text: str = '{"price": 1.10, "name": "Müller"}') -> RawAnswer:
    body = text.encode()
    came = CAME + dt.timedelta(minutes=minutes)
    return RawAnswer("tiingo", key, DAY, DAY, came, hashlib.sha256(body).hexdigest(), body)


def test_an_answer_is_read_as_it_came(tmp_path: Path) -> None:
    answers = RawAnswers(tmp_path)
    path = answers.save(_answer("AAPL"))
    assert path == tmp_path / "tiingo" / "AAPL" / "20251030T210000.000005Z.json.gz"
    assert path == tmp_path / _answer("AAPL").file
    assert answers.read(path) == _answer("AAPL")


def test_answers_come_back_the_oldest_first_whatever_they_are_about(tmp_path: Path) -> None:
    answers = RawAnswers(tmp_path)
    for key, minutes in (("MSFT", 3), ("AAPL", 4), ("BRK/B", 1), ("AAPL", 2)):
        answers.save(_answer(key, minutes))
    (tmp_path / "tiingo" / "AAPL" / ".left.partial").write_bytes(b"a killed process left it")
    (tmp_path / "tiingo" / "calls.json").write_text("{}")
    assert [answer.key for answer in answers.all("tiingo")] == ["BRK/B", "AAPL", "MSFT", "AAPL"]
    assert [answer.fetched_at.minute for answer in answers.all("tiingo", "AAPL")] == [2, 4]
    assert answers.newest("tiingo", "AAPL") == _answer("AAPL", 4)
    assert answers.newest("tiingo", "NVDA") is None
    assert list(answers.all("massive")) == []


@pytest.mark.parametrize("damage", [b"", b"\x1f\x8b cut", b"not compressed"])
def test_a_file_that_was_damaged_is_named(tmp_path: Path, damage: bytes) -> None:
    answers = RawAnswers(tmp_path)
    path = answers.save(_answer("AAPL"))
    path.write_bytes(damage)
    with pytest.raises(PriceError, match=r"AAPL/.*json\.gz is no answer of a vendor any more; delete it"):
        list(answers.all("tiingo"))


def test_a_body_that_is_not_the_one_that_came_is_told(tmp_path: Path) -> None:
    answers = RawAnswers(tmp_path)
    body = b'{"price": 2}'
    path = answers.save(RawAnswer("tiingo", "AAPL", DAY, DAY, CAME, _answer("AAPL").sha256, body))
    with pytest.raises(PriceError, match="no answer of a vendor any more"):
        answers.read(path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "tiingo").write_text("a file in the way")
    with pytest.raises(PriceError, match=r"cannot write .*AAPL"):
        RawAnswers(tmp_path).save(_answer("AAPL"))
