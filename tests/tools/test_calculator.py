from __future__ import annotations

import json
import re
import time
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tools.calculator import LONGEST, calculator
from app.tools.context import ToolContext
from app.tools.errors import BadArguments, ToolFailed
from app.tools.outcome import Done
from tests.tools.conftest import NOW

CONTEXT = ToolContext("u", "t", NOW)


def calculate(expression: str) -> str:
    outcome = calculator.call(calculator.validated(json.dumps({"expression": expression})), CONTEXT)
    assert isinstance(outcome, Done)
    return outcome.result


def answer(expression: str) -> str:
    """What it comes to, or the sentence why it comes to nothing."""
    try:
        return calculate(expression)
    except ToolFailed as failed:
        return str(failed)


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("2 + 3 * 4", "14"),
        ("(2 + 3) * 4", "20"),
        ("-2 ** 2", "-4"),
        ("2^10", "1024"),
        ("6 \u00f7 4 \u00d7 2 \u2212 1", "2"),
        ("0.1 + 0.2", "0.3"),
        ("100 * 1.1", "110"),
        ("1 / 3", "0.3333333333333333333333333333"),
        ("1 / 3 * 3", "1"),
        ("12 / 4", "3"),
        ("7 // 2", "3"),
        ("-7.5 // 2", "-4"),
        ("7.5 % 2", "1.5"),
        ("-5 % 3", "1"),
        ("2 ** -1", "0.5"),
        ("2 ** 0.5", "1.414213562373095048801688724"),
        ("0 ** 0", "1"),
        ("(-1) ** 99999999999999999999", "-1"),
        ("123456789 ** 3", "1881676371789154860897069"),
        ("0.12345678901234567890 * 1", "0.1234567890123456789"),
        ("1e20", "100000000000000000000"),
        ("1e40", "1E+40"),
        ("0xff", "255"),
        ("sqrt(144)", "12"),
        ("√(2)", "1.414213562373095048801688724"),
        ("sin(π)", "0"),
        ("cos(0)", "1"),
        ("degrees(pi)", "180"),
        ("log(8, 2)", "3"),
        ("log10(1000)", "3"),
        ("ln(e)", "1"),
        ("round(2.5)", "3"),
        ("round(-2.345, 2)", "-2.35"),
        ("round(2.675, 2)", "2.68"),
        ("round(1234, -2)", "1200"),
        ("floor(-2.5) + ceil(-2.5)", "-5"),
        ("abs(-2.50)", "2.5"),
        ("factorial(20)", "2432902008176640000"),
        ("gcd(12, 18)", "6"),
        ("min(3, 1.5, 2) + max(3, 4)", "5.5"),
        ("mean(1, 2, 3, 4) + sum(1, 2)", "5.5"),
        ("SQRT(PI * 0)", "0"),
        ("1 +\n 1", "2"),
    ],
)
def test_it_calculates(expression: str, result: str) -> None:
    assert calculate(expression) == result


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("1 / 0", "division by zero"),
        ("1 % 0", "division by zero"),
        ("0 ** -1", "division by zero"),
        ("9 ** 9 ** 9", "the power has more than 1,000 digits"),
        ("10 ** 999 * 10", "the number has more than 1,000 digits"),
        ("1e9000 * 1e9000", "the number is too large"),
        ("1e999999999", "the number is too large"),
        ("exp(99999)", "the number is too large"),
        ("floor(1e5000)", "the number has more than 1,000 digits"),
        ("factorial(100000)", "factorial takes a whole number from 0 to 400"),
        ("round(1, 10 ** 9)", "round takes a whole number of decimals up to 30"),
        ("(-8) ** 0.5", "there is no such real number"),
        ("sqrt(-1)", "a negative number has no real square root"),
        ("log(0)", "a logarithm needs a number above 0"),
        ("asin(2)", "the function has no value there"),
        ("sin(10 ** 900)", "the function has no value there"),
        ("gcd(1.5, 3)", "gcd takes whole numbers"),
        ("1,000 * 3", "it is several values; write 1000, not 1,000"),
        ("2 apples", "it is no expression, at character"),
        ("1if 2else 3", "it is no expression"),
        ("x + 1", "there is no constant 'x'; there are pi, e, tau"),
        ("sqr(2)", "there is no function 'sqr'; there are sqrt"),
        ("sqrt(1, 2)", "sqrt takes one value, not 2"),
        ("log(1, 2, 3)", "log takes 1 to 2 values, not 3"),
        ("3j", "3j is no real number"),
        ("True + 1", "True is no real number"),
        ("'a' * 9", "'a' is no real number"),
        ("2 << 9", "it has something that is neither number, operator nor function"),
        ("[1][0]", "it has something that is neither number, operator nor function"),
        ("sqrt(*[4])", "it has something that is neither number, operator nor function"),
        ("round(1, ndigits=2)", "it has something that is neither number, operator nor function"),
    ],
)
def test_what_cannot_be_calculated_is_said_in_a_sentence(expression: str, sentence: str) -> None:
    with pytest.raises(ToolFailed) as failed:
        calculate(expression)
    assert str(failed.value).startswith(f"This cannot be calculated: {sentence}")


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').system('true')",
        "().__class__.__bases__",
        "(lambda: 1)()",
        "[x for x in (1, 2)]",
        "open('/etc/passwd')",
        "eval('1')",
        "f'{1}'",
        "(y := 1)",
    ],
)
def test_nothing_of_python_can_be_run(expression: str) -> None:
    with pytest.raises(ToolFailed):
        calculate(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "(" * 500,
        "(" * 190 + "1" + ")" * 190,
        "-" * 499 + "1",
        "9 ** 9 ** 9 ** 9",
        "1.0000001 ** 1000000000",
        "0.99999999999999999999 ** 1e9000",
        "factorial(400) ** 1.5 * " + "factorial(400) * " * 20 + "1",
        "log(" * 80 + "2" + ")" * 80,
        "exp(" * 80 + "1" + ")" * 80,
        "max(" + "1," * 99 + "1)",
        "10 ** 500 // 3.3 % 1e-9000",
        "1e-9000 ** 1e9000",
        "gcd(10 ** 999 - 1, 10 ** 998 - 1)",
    ],
)
def test_nothing_can_keep_it_busy(expression: str) -> None:
    assert len(expression) <= LONGEST
    started = time.process_time()
    assert answer(expression)
    assert time.process_time() - started < 1


def test_a_longer_expression_is_not_even_read() -> None:
    with pytest.raises(BadArguments, match="string should have at most 500 characters"):
        calculate("1" * 501)


@given(st.text(alphabet="0123456789.+-*/%()^, eEpisqrtlognmaxround", max_size=60))
def test_any_text_gives_a_number_or_a_sentence(expression: str) -> None:
    said = answer(f"1{expression}")
    assert re.fullmatch(r"-?[0-9.]+(E[-+][0-9]+)?|This cannot be calculated: .+\.", said)


@given(st.integers(-(10**18), 10**18), st.integers(-(10**18), 10**18), st.integers(1, 10**9))
def test_whole_numbers_are_exact(a: int, b: int, c: int) -> None:
    assert calculate(f"{a} * {b} - ({a}) // {c} + ({b}) % {c}") == str(a * b - a // c + b % c)


def test_a_strange_expression_prints_no_warning_of_the_parser() -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        answer("1if 2else 3")
    assert seen == []
