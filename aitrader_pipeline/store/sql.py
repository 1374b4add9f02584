"""SQL as files with names: one statement each, in the folder `sql/` of the room that runs it."""

from functools import cache
from importlib.resources import files


@cache
def statement(package: str, name: str) -> str:
    """Read the named statement `<package>/sql/<name>.sql`.

    Args:
        package: The room's package, for example `aitrader_pipeline.market`.
        name: The file's name without `.sql`.

    Returns:
        The statement's text.

    Raises:
        FileNotFoundError: There is no such statement.
    """
    return files(package).joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")
