"""The Retry-After header: how long a server asks its client to wait."""

import datetime as dt
import math
from email.utils import parsedate_to_datetime


def retry_after_seconds(header: str | None) -> float | None:
    """Seconds from now, None where nothing sensible is said; the header holds seconds or a date."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(header) - dt.datetime.now(dt.UTC)).total_seconds()
        except (TypeError, ValueError):
            return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None
