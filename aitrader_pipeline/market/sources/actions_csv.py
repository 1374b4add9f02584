"""Corporate actions from a CSV file, one action a row; the file is all that there is."""

import csv
from pathlib import Path

from aitrader_pipeline.config_market import MarketConfig
from aitrader_pipeline.errors import PriceError
from aitrader_pipeline.market.actions import ActionBatch, ActionIntake

COLUMNS = ("symbol", "ex_date", "kind", "value")
_OPTIONAL = "new_symbol"
_WANTED = f"a CSV file with the columns {', '.join(COLUMNS)} and, for symbol changes, {_OPTIONAL}"
SAMPLE_ACTIONS = Path(__file__).resolve().parents[3] / "data" / "sample" / "corporate_actions.csv"


def configured_actions(market: MarketConfig) -> ActionBatch | None:
    """Read the actions of a config: the file that it names, or what its source brings.

    Returns:
        All that there are, none where nothing brings any; None where they come with a vendor's answers.

    Raises:
        PriceError: The file cannot be read or is no such table.
    """
    if market.corporate_actions is not None:
        return read_actions_csv("files", market.corporate_actions)
    if market.source == "sample" and market.path is None:
        return read_actions_csv("sample", SAMPLE_ACTIONS)
    return None if market.is_vendor else ActionIntake().batch(market.source)


def read_actions_csv(source: str, path: Path) -> ActionBatch:
    """Read every row.

    Columns may stand in any order, further ones are ignored; the file is comma-separated UTF-8, one row a line.
    A file with a header alone says that there are no actions.

    Args:
        source: The name kept with each action.
        path: The file.

    Returns:
        The good actions, and what was refused with its place and reason.

    Raises:
        PriceError: The file cannot be read or is no such table.
    """
    try:
        # A byte that is no UTF-8 spoils its own row alone, and so does a quote that is never closed.
        lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise PriceError(f"{path}: {error.strerror}; needed is {_WANTED}") from error
    header = [name.strip().lower() for name in _cells(lines[0])] if lines else []
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        found = ", ".join(header) or "nothing"
        raise PriceError(f"{path}: no column {', '.join(missing)} (found: {found}); needed is {_WANTED}")
    intake = ActionIntake()
    for number, line in enumerate(lines[1:], start=2):
        if line.strip():
            _add(line, header, intake, path.name, number)
    return intake.batch(source)


def _add(line: str, header: list[str], intake: ActionIntake, file: str, number: int) -> None:
    try:
        cells = _cells(line)
    except csv.Error as error:
        intake.refuse(f"the line is no CSV: {error}", file=file, line=number)
        return
    if len(cells) != len(header):
        reason = f"{len(cells)} values where the header names {len(header)} columns"
        intake.refuse(reason, file=file, line=number)
        return
    row = dict(zip(header, cells, strict=True))
    symbol, ex_date, kind, value = (row[column] for column in COLUMNS)
    intake.add(
        symbol=symbol,
        ex_date=ex_date,
        kind=kind,
        value=value,
        new_symbol=row.get(_OPTIONAL),
        file=file,
        line=number,
    )


def _cells(line: str) -> list[str]:
    return next(csv.reader((line,)), [])
