"""Exact arithmetic over integers and decimals that is bounded in time and memory, whatever is asked of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Context, Decimal, InvalidOperation, Overflow
from decimal import DivisionByZero as _DivisionByZero
from typing import Any

Number = int | Decimal

MOST_DIGITS = 1_000
_BOUND = 10**MOST_DIGITS
_LARGEST_FACTORIAL = 400
_EXACT = Context(prec=34, Emax=9_999, Emin=-9_999, traps=[InvalidOperation, Overflow, _DivisionByZero])


class NotComputable(ValueError):
    """There is no such number, or it is beyond the bounds; the message says which."""


def decimal(text: str) -> Decimal:
    """The number that `text` writes. Raises NotComputable where it has too large an exponent."""
    return _guarded(lambda: _EXACT.create_decimal(text))


def bounded(value: int) -> int:
    """`value`. Raises NotComputable for one of more than MOST_DIGITS digits."""
    if abs(value) >= _BOUND:
        raise NotComputable(f"the number has more than {MOST_DIGITS:,} digits")
    return value


def add(left: Number, right: Number) -> Number:
    """The sum."""
    return _exactly(left, right, lambda a, b: a + b, _EXACT.add)


def subtract(left: Number, right: Number) -> Number:
    """The difference."""
    return _exactly(left, right, lambda a, b: a - b, _EXACT.subtract)


def multiply(left: Number, right: Number) -> Number:
    """The product."""
    return _exactly(left, right, lambda a, b: a * b, _EXACT.multiply)


def divide(left: Number, right: Number) -> Number:
    """The quotient, an integer where it comes out even."""
    _not_zero(right)
    if isinstance(left, int) and isinstance(right, int) and left % right == 0:
        return left // right
    return _guarded(lambda: _EXACT.divide(Decimal(left), Decimal(right)))


def floor_divide(left: Number, right: Number) -> Number:
    """The quotient rounded down."""
    _not_zero(right)
    return floor(left) // right if isinstance(left, int) and isinstance(right, int) else floor(divide(left, right))


def modulo(left: Number, right: Number) -> Number:
    """What `floor_divide` leaves; it has the sign of `right`."""
    return subtract(left, multiply(floor_divide(left, right), right))


def power(left: Number, right: Number) -> Number:
    """`left` to the power of `right`."""
    if isinstance(left, int) and isinstance(right, int) and right >= 0:
        return _whole_power(left, right)
    if left == 0 and right < 0:
        raise NotComputable("division by zero")
    return _guarded(lambda: _EXACT.power(Decimal(left), Decimal(right)))


def negative(value: Number) -> Number:
    """The number with the other sign."""
    return -value if isinstance(value, int) else _EXACT.minus(value)


def absolute(value: Number) -> Number:
    """The number without its sign."""
    return negative(value) if value < 0 else value


def floor(value: Number) -> int:
    """The largest integer that is not above `value`."""
    if isinstance(value, Decimal) and value.adjusted() > MOST_DIGITS:
        raise NotComputable(f"the number has more than {MOST_DIGITS:,} digits")
    return math.floor(value)


def ceil(value: Number) -> int:
    """The smallest integer that is not below `value`."""
    return -floor(negative(value))


def rounded(value: Number, places: Number = 0) -> Number:
    """`value` with so many decimals, halves away from zero, as people round."""
    if not isinstance(places, int) or not -MOST_DIGITS < places <= 30:
        raise NotComputable("round takes a whole number of decimals up to 30")
    unit = Decimal(1).scaleb(-places, _EXACT)
    whole = floor(add(divide(absolute(value), unit), Decimal("0.5")))
    result = multiply(whole if value >= 0 else -whole, unit)
    return int(result) if places <= 0 else result


def square_root(value: Number) -> Number:
    """The root, an integer where it is one."""
    if value < 0:
        raise NotComputable("a negative number has no real square root")
    if isinstance(value, int) and math.isqrt(value) ** 2 == value:
        return math.isqrt(value)
    return _guarded(lambda: _EXACT.sqrt(Decimal(value)))


def logarithm(value: Number, to_base: Number | None = None) -> Number:
    """The natural logarithm, or the one to a base."""
    if value <= 0 or (to_base is not None and (to_base <= 0 or to_base == 1)):
        raise NotComputable("a logarithm needs a number above 0, and a base above 0 other than 1")
    if to_base is None:
        return _guarded(lambda: _EXACT.ln(Decimal(value)))
    if to_base == 10:
        return _guarded(lambda: _EXACT.log10(Decimal(value)))
    ratio = divide(logarithm(value), logarithm(to_base))
    near = round(ratio)
    return near if abs(near) < 4_000 and power(to_base, near) == value else ratio


def exponential(value: Number) -> Number:
    """e to the power of `value`."""
    return _guarded(lambda: _EXACT.exp(Decimal(value)))


def factorial(value: Number) -> int:
    """The product of 1 to `value`."""
    if not isinstance(value, int) or not 0 <= value <= _LARGEST_FACTORIAL:
        raise NotComputable(f"factorial takes a whole number from 0 to {_LARGEST_FACTORIAL}")
    return math.factorial(value)


def by_float(function: Callable[[float], float]) -> Callable[[Number], Number]:
    """`function` of floats as one of ours, to 15 decimals, so that the sine of pi is 0."""

    def computed(value: Number) -> Number:
        try:
            return _EXACT.create_decimal(repr(round(function(float(value)), 15)))
        except (ValueError, OverflowError, InvalidOperation):
            raise NotComputable("the function has no value there") from None

    return computed


def _whole_power(left: int, right: int) -> int:
    if abs(left) > 1 and (left.bit_length() - 1) * right > _BOUND.bit_length():
        raise NotComputable(f"the power has more than {MOST_DIGITS:,} digits")
    # Of 0, 1 and -1 only whether the exponent is 0, odd or even matters, however large it is.
    return bounded(left**right) if abs(left) > 1 else left ** (right and 2 - right % 2)


def _exactly(
    left: Number, right: Number, whole: Callable[[int, int], int], broken: Callable[[Any, Any], Decimal]
) -> Number:
    if isinstance(left, int) and isinstance(right, int):
        return bounded(whole(left, right))
    return _guarded(lambda: broken(Decimal(left), Decimal(right)))


def _guarded(compute: Callable[[], Decimal]) -> Decimal:
    try:
        return compute()
    except _DivisionByZero:
        raise NotComputable("division by zero") from None
    except Overflow:
        raise NotComputable("the number is too large") from None
    except InvalidOperation:
        raise NotComputable("there is no such real number") from None


def _not_zero(value: Number) -> None:
    if value == 0:
        raise NotComputable("division by zero")
