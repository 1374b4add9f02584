"""Return of a period and its annualised form, as plain functions of two equities and two dates.

`sql/performance_metrics.sql` computes the same for every model at once. There, a figure that is undefined or
covers too few sessions to be annualised is NULL; these functions answer for any period.
"""

import math
from datetime import date
from decimal import Decimal

DAYS_PER_YEAR = 365


def period_return_pct(base: Decimal | float, last: Decimal | float) -> float:
    """Return of a period, in percent of the equity that it started from.

    Args:
        base: Equity before the first session of the period.
        last: Closing equity of its last session, in the same currency.

    Returns:
        `100 * (last / base - 1)`; 0 where the base is not positive.
    """
    if base <= 0:
        return 0.0
    return 100 * (float(last) - float(base)) / float(base)


def annualised_return_pct(
    base: Decimal | float, last: Decimal | float, first_date: date, last_date: date
) -> float | None:
    """Return of a period compounded to a year of 365 days, in percent.

    Args:
        base: Equity before the first session of the period.
        last: Closing equity of its last session, in the same currency.
        first_date: Date of the first session.
        last_date: Date of the last session; both dates are counted.

    Returns:
        `100 * ((last / base) ** (365 / calendar days) - 1)`; 0 where either equity is not positive, None where
        the result is too large for a floating-point number.

    Raises:
        ValueError: If the last date is before the first.
    """
    if last_date < first_date:
        raise ValueError(f"a period cannot end on {last_date}, before its first date {first_date}")
    if base <= 0 or last <= 0:
        return 0.0
    calendar_days = (last_date - first_date).days + 1
    try:
        annualised = 100 * ((float(last) / float(base)) ** (DAYS_PER_YEAR / calendar_days) - 1)
    except OverflowError:
        return None
    return annualised if math.isfinite(annualised) else None
