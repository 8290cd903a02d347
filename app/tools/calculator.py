"""The tool that calculates: it walks the expression's syntax tree and never runs it."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from functools import reduce
from typing import Annotated

from pydantic import Field

from app.tools import arithmetic
from app.tools.arithmetic import NotComputable, Number, by_float
from app.tools.errors import ToolFailed
from app.tools.rule import NUMBERS
from app.tools.tool import tool

LONGEST = 500
_SPELLINGS = {"^": "**", "\u00d7": "*", "\u00b7": "*", "\u00f7": "/", "\u2212": "-", "π": "pi", "√": "sqrt", "\n": " "}

# Digits run into a word of Python's, which the parser takes with a warning.
_JOINED = re.compile(r"\d(and|else|for|if|in|is|not|or)\b")
_SHOWN = Context(prec=28)

_CONSTANTS = {
    "pi": Decimal("3.141592653589793238462643383279503"),
    "e": Decimal("2.718281828459045235360287471352662"),
    "tau": Decimal("6.283185307179586476925286766559006"),
}

_OPERATORS: Mapping[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: arithmetic.add,
    ast.Sub: arithmetic.subtract,
    ast.Mult: arithmetic.multiply,
    ast.Div: arithmetic.divide,
    ast.FloorDiv: arithmetic.floor_divide,
    ast.Mod: arithmetic.modulo,
    ast.Pow: arithmetic.power,
}


@dataclass(frozen=True, slots=True)
class _Function:
    """A function with the least and the most arguments it takes."""

    call: Callable[..., Number]
    least: int = 1
    most: int = 1


def _total(*values: Number) -> Number:
    return reduce(arithmetic.add, values)


def _mean(*values: Number) -> Number:
    return arithmetic.divide(_total(*values), len(values))


def _whole(name: str, function: Callable[..., int]) -> Callable[..., Number]:
    def computed(*values: Number) -> Number:
        if not all(isinstance(value, int) for value in values):
            raise NotComputable(f"{name} takes whole numbers")
        return arithmetic.bounded(function(*values))

    return computed


_MANY = 100
_FUNCTIONS: Mapping[str, _Function] = {
    "sqrt": _Function(arithmetic.square_root),
    "exp": _Function(arithmetic.exponential),
    "ln": _Function(arithmetic.logarithm),
    "log": _Function(arithmetic.logarithm, 1, 2),
    "log2": _Function(lambda value: arithmetic.logarithm(value, 2)),
    "log10": _Function(lambda value: arithmetic.logarithm(value, 10)),
    "sin": _Function(by_float(math.sin)),
    "cos": _Function(by_float(math.cos)),
    "tan": _Function(by_float(math.tan)),
    "asin": _Function(by_float(math.asin)),
    "acos": _Function(by_float(math.acos)),
    "atan": _Function(by_float(math.atan)),
    "degrees": _Function(by_float(math.degrees)),
    "radians": _Function(by_float(math.radians)),
    "abs": _Function(arithmetic.absolute),
    "floor": _Function(arithmetic.floor),
    "ceil": _Function(arithmetic.ceil),
    "round": _Function(arithmetic.rounded, 1, 2),
    "factorial": _Function(arithmetic.factorial),
    "gcd": _Function(_whole("gcd", math.gcd), 2, _MANY),
    "min": _Function(min, 2, _MANY),
    "max": _Function(max, 2, _MANY),
    "sum": _Function(_total, 1, _MANY),
    "mean": _Function(_mean, 1, _MANY),
}


@tool(timeout_seconds=5, idempotent=True, worth=NUMBERS)
def calculator(
    expression: Annotated[
        str, Field(min_length=1, max_length=LONGEST, description="For example (17.5 * 3 + 2) ** 2 / sqrt(2).")
    ],
) -> str:
    """Calculate an expression exactly: + - * / // % ** and parentheses, pi, e, and functions.

    Functions: sqrt exp ln log(x, base) log2 log10 sin cos tan asin acos atan (radians) degrees radians abs floor ceil
    round(x, decimals) factorial gcd min max sum mean. Write 1000, not 1,000, and 0.2 * x for 20 percent of x.
    """
    try:
        return written(_Expression(expression).value())
    except NotComputable as error:
        raise ToolFailed(f"This cannot be calculated: {error}.") from None
    except RecursionError:
        raise ToolFailed("This cannot be calculated: it is nested too deep.") from None


def written(value: Number) -> str:
    """`value` in digits: integers whole, others to 28 significant digits, with an exponent where that is shorter."""
    if isinstance(value, int):
        return str(value)
    short = _SHOWN.plus(value).normalize(_SHOWN)
    return f"{short:f}" if -12 < short.adjusted() < 30 else f"{short:E}"


class _Expression:
    """A parsed expression; it keeps the source, because the tree rounds the decimals that stand in it."""

    def __init__(self, text: str) -> None:
        for spelled, meant in _SPELLINGS.items():
            text = text.replace(spelled, meant)
        self._source = text.strip()
        if _JOINED.search(self._source):
            raise NotComputable("it is no expression")
        try:
            self._body = ast.parse(self._source, mode="eval").body
        except SyntaxError as error:
            raise NotComputable(f"it is no expression, at character {error.offset or 1}") from None
        except (ValueError, MemoryError):
            raise NotComputable("it is no expression") from None

    def value(self) -> Number:
        """What it comes to. Raises NotComputable."""
        return self._value(self._body)

    def _value(self, node: ast.expr) -> Number:
        match node:
            case ast.Constant():
                return self._constant(node)
            case ast.Name(id=name) if name.lower() in _CONSTANTS:
                return _CONSTANTS[name.lower()]
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
                value = self._value(operand)
                return arithmetic.negative(value) if isinstance(sign, ast.USub) else value
            case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _OPERATORS:
                return _OPERATORS[type(operator)](self._value(left), self._value(right))
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._called(name.lower(), arguments)
            case _:
                raise NotComputable(_refusal(node))

    def _constant(self, node: ast.Constant) -> Number:
        if type(node.value) is int:
            return node.value
        if type(node.value) is float:
            return arithmetic.decimal(ast.get_source_segment(self._source, node) or "")
        raise NotComputable(f"{node.value!r:.40} is no real number")

    def _called(self, name: str, arguments: list[ast.expr]) -> Number:
        function = _FUNCTIONS.get(name)
        if function is None:
            raise NotComputable(f"there is no function {name!r:.40}; there are {', '.join(_FUNCTIONS)}")
        if not function.least <= len(arguments) <= function.most:
            raise NotComputable(f"{name} takes {_count(function)}, not {len(arguments)}")
        return function.call(*(self._value(argument) for argument in arguments))


def _count(function: _Function) -> str:
    if function.least == function.most:
        return "one value" if function.least == 1 else f"{function.least} values"
    return f"{function.least} to {function.most} values"


def _refusal(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return f"there is no constant {node.id!r:.40}; there are {', '.join(_CONSTANTS)}"
    if isinstance(node, ast.Tuple):
        return "it is several values; write 1000, not 1,000"
    return "it has something that is neither number, operator nor function"
