"""What every file source says when its path leads nowhere or to nothing usable."""

from pathlib import Path

from aitrader_pipeline.errors import PriceError
from aitrader_pipeline.market.bars import PriceBatch

_SHOWN_REJECTIONS = 3


def data_files(path: Path, suffixes: tuple[str, ...], wanted: str) -> list[Path]:
    """Return the file itself, or a folder's files with these endings, sorted by name.

    Args:
        path: A file (whatever its ending) or a folder; hidden files in a folder are left out.
        suffixes: The endings that count in a folder, in lower case with the dot.
        wanted: What the path should lead to, for the message.

    Returns:
        At least one file; a single file holds at least one byte.

    Raises:
        PriceError: There is no such path, the folder holds no such file, or the single file is empty.
    """
    if path.is_dir():
        found = sorted(
            file
            for file in path.iterdir()
            if file.is_file() and file.suffix.lower() in suffixes and not file.name.startswith(".")
        )
        if not found:
            raise PriceError(f"{path}: no {' or '.join(suffixes)} file in this folder; needed is {wanted}")
        return found
    if not path.exists():
        raise PriceError(f"{path}: no such file or folder; needed is {wanted}")
    if path.stat().st_size == 0:
        raise PriceError(f"{path}: the file is empty; needed is {wanted}")
    return [path]


def usable(batch: PriceBatch, path: Path, wanted: str) -> PriceBatch:
    """Return the batch if it holds a bar.

    Raises:
        PriceError: It holds none; the message shows the first refusals.
    """
    if batch.text:
        return batch
    reasons = "".join(f"\n  {rejected}" for rejected in batch.rejected[:_SHOWN_REJECTIONS])
    more = len(batch.rejected) - _SHOWN_REJECTIONS
    if more > 0:
        reasons += f"\n  and {more} more"
    raise PriceError(f"{path}: no usable bar in it; needed is {wanted}{reasons}")
