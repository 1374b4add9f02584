"""Recordings: what was answered is kept under what was asked, and a request that differs is shown and refused."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from aitrader_pipeline.errors import SessionError, StoreError
from aitrader_pipeline.trading.recordings import Mode, Recordings, Tape

DAY = date(2025, 10, 2)
ASKED = {"model": "m", "messages": [{"role": "user", "content": "Buy low.\nSell high."}]}
OTHER = {"model": "m", "messages": [{"role": "user", "content": "Buy low.\nSell never."}]}


def tape(folder: Path, mode: Mode, *, by_number: bool = False) -> Tape:
    return Recordings(folder, mode, by_number).tape("m", DAY)


def record(folder: Path, *answers: tuple[dict[str, Any], Any]) -> Tape:
    """A session's answers, numbered from 1, kept to its end."""
    recording = tape(folder, "record")
    recording.begin()
    for number, (asked, answer) in enumerate(answers, start=1):
        recording.keep("model_call", number, asked, answer)
    recording.commit()
    return recording


def test_what_was_kept_is_answered_again(tmp_path: Path) -> None:
    record(tmp_path, (ASKED, {"text": "done"}))
    assert tape(tmp_path, "replay").answer("model_call", 1, ASKED) == {"text": "done"}
    assert tape(tmp_path, "auto").answer("model_call", 1, ASKED) == {"text": "done"}


def test_recording_asks_anew_and_a_session_s_answers_replace_all_that_was_kept(tmp_path: Path) -> None:
    recording = record(tmp_path, (ASKED, "first"), (ASKED, "second"))
    assert recording.answer("model_call", 1, ASKED) is None
    record(tmp_path, (OTHER, "anew"))
    assert len(list(recording.folder.iterdir())) == 1
    assert tape(tmp_path, "replay").answer("model_call", 1, OTHER) == "anew"


def test_a_session_that_fails_leaves_what_was_kept_of_the_one_that_stands(tmp_path: Path) -> None:
    record(tmp_path, (ASKED, "first"), (ASKED, "second"))
    failing = tape(tmp_path, "record")
    failing.begin()
    failing.keep("model_call", 1, OTHER, "of a session without an end")
    assert tape(tmp_path, "replay").answer("model_call", 1, ASKED) == "first"
    failing.begin()
    failing.commit()
    assert tape(tmp_path, "replay").answer("model_call", 2, ASKED) == "second"


def test_auto_asks_for_what_is_new_alone_and_keeps_the_whole_session(tmp_path: Path) -> None:
    record(tmp_path, (ASKED, "first"))
    auto = tape(tmp_path, "auto")
    auto.begin()
    assert (auto.answer("model_call", 1, ASKED), auto.answer("model_call", 2, ASKED)) == ("first", None)
    auto.keep("model_call", 2, ASKED, "second")
    auto.commit()
    replay = tape(tmp_path, "replay")
    assert [replay.answer("model_call", number, ASKED) for number in (1, 2)] == ["first", "second"]


def test_a_request_that_differs_is_refused_with_what_differs(tmp_path: Path) -> None:
    record(tmp_path, (ASKED, "first"))
    with pytest.raises(SessionError, match="replay: model call 1 differs from what was recorded") as refused:
        tape(tmp_path, "replay").answer("model_call", 1, OTHER)
    lines = str(refused.value).splitlines()
    assert any(line.startswith("-Sell high.") for line in lines)
    assert any(line.startswith("+Sell never.") for line in lines)
    assert not any("Buy low" in line and line[0] in "+-" for line in lines)


def test_what_was_never_recorded_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(
        SessionError, match="nothing is recorded of tool call 3 of this session; run it with recordings"
    ):
        tape(tmp_path, "replay").answer("tool_call", 3, ASKED)


def test_by_number_the_same_answers_are_given_to_other_questions(tmp_path: Path) -> None:
    record(tmp_path, (ASKED, "first"))
    lenient = tape(tmp_path, "replay", by_number=True)
    assert lenient.answer("model_call", 1, OTHER) == "first"
    with pytest.raises(SessionError, match="nothing is recorded of model call 2"):
        lenient.answer("model_call", 2, OTHER)


def test_switched_off_and_replaying_nothing_is_kept(tmp_path: Path) -> None:
    for mode in ("off", "replay"):
        tape(tmp_path, mode).keep("model_call", 1, ASKED, "first")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["{", json.dumps({"asked": {}}), "[]"])
def test_a_file_that_is_no_recording_is_named(content: str, tmp_path: Path) -> None:
    recording = record(tmp_path, (ASKED, "first"))
    (file,) = recording.folder.iterdir()
    file.write_text(content)
    with pytest.raises(StoreError, match=file.name):
        tape(tmp_path, "replay").answer("model_call", 1, ASKED)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "model=m").write_text("a file where a folder should be")
    with pytest.raises(StoreError, match="cannot write"):
        record(tmp_path, (ASKED, "first"))
