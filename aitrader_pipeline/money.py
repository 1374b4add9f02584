"""Exact money: decimals with at most six places, in the arena's currency."""

from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from typing import Annotated

from pydantic import PlainSerializer

UNIT = Decimal("0.000001")

# Wide enough for the costs of any order, also of one that nobody can pay and that is refused for it.
_ROUNDING = Context(prec=64, rounding=ROUND_HALF_UP)


def money(value: Decimal | int | str) -> Decimal:
    """Round to the unit of account, a millionth, half up.

    Args:
        value: an amount of money; floats are not accepted because they are not exact.

    Returns:
        The amount with six decimal places.
    """
    return Decimal(value).quantize(UNIT, context=_ROUNDING)


def rounded(value: Fraction) -> Decimal:
    """An exact amount, such as a third of a share's price, rounded like :func:`money`."""
    return money(_ROUNDING.divide(Decimal(value.numerator), Decimal(value.denominator)))


def money_text(value: Decimal) -> str:
    """The shortest exact text of an amount: ``8000``, ``4188.81``; never an exponent."""
    text = f"{value:f}"
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def cents(value: Decimal | float) -> str:
    """An amount for people: two decimals, half up, with thousands separated; ``10,343.93`` for 10343.925."""
    return f"{Decimal(str(value)).quantize(Decimal('0.01'), rounding=ROUND_HALF_UP):,f}"


def usd(value: float) -> str:
    """What model calls cost, for people: four decimals, as one call may cost less than a cent."""
    return f"{value:,.4f}"


Money = Annotated[Decimal, PlainSerializer(money_text, return_type=str, when_used="json")]
