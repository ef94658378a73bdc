"""The driver ``calculator``: arithmetic as people expect it, from a small grammar; nothing is ever executed.

An expression is parsed to a tree and only the nodes below are understood: numbers, operators, and functions from one
table. Numbers are exact fractions for as long as that is possible (0.1 + 0.2 is 0.3), and their size is bounded
after each step, so the time is too: an expression has at most as many steps as characters.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from gemot.drivers.kit import Driver, ToolError
from gemot.drivers.names import shown

EXPRESSION_CHARS_MAX = 1000
"""Longer ones are programs; this is no place for them."""
BITS_MAX = 12_000
"""The size of a number, about 3,600 digits: below what Python writes out, and each step takes microseconds."""
DIGITS_SHOWN = 16
"""Of a number that isn't exact as a decimal. One more than a float can promise, for fractions."""

Number = Fraction | float

calculator = Driver("calculator", "Arithmetic.")


@calculator.tool(effect="computes", repeatable=True, seconds_max=10)
def evaluate(expression: str) -> str:
    """Work out a number. expression: such as "(3 + 4.5) * 2 ** 10 / 7" or "round(sqrt(2), 3)".

    Operators: + - * / // % ** and < <= == != >= >. Functions: abs ceil floor round(x, digits) (halves away from zero)
    min max sum mean sqrt exp log(x, base) log2 log10 sin cos tan asin acos atan atan2 (radians) degrees radians hypot
    factorial comb perm gcd lcm. Constants: pi e tau.
    """
    if len(expression) > EXPRESSION_CHARS_MAX:
        raise ToolError(
            f"the expression has {len(expression):,} characters; at most {EXPRESSION_CHARS_MAX:,} are allowed"
        )
    source = expression.strip().replace("\N{MULTIPLICATION SIGN}", "*").replace("\N{DIVISION SIGN}", "/")
    source = source.replace("\N{MINUS SIGN}", "-").removesuffix("=").rstrip()
    try:
        tree = ast.parse(source, mode="eval")
        return _shown(_value(tree.body, source))
    except ZeroDivisionError:
        raise ToolError("the expression divides by zero") from None
    except OverflowError:
        raise ToolError(
            "the result is too large; the largest number has about 3,600 digits, or 10**308 if not exact"
        ) from None
    except (SyntaxError, RecursionError, MemoryError, ValueError) as error:
        raise ToolError(_lesson(source, error)) from None


def _value(node: ast.expr, source: str) -> Any:
    match node:
        case ast.Constant(value=int() | float()) if not isinstance(node.value, bool):
            return _bounded(Fraction(_written(node, source)))
        case ast.UnaryOp(op=ast.USub()):
            return -_number(node.operand, source)
        case ast.UnaryOp(op=ast.UAdd()):
            return _number(node.operand, source)
        case ast.BinOp():
            operator = _OPERATORS.get(type(node.op))
            if operator is None:
                raise ToolError(f"{_name(node.op)} is not an operator here; use + - * / // % and ** for powers (not ^)")
            return _bounded(operator(_number(node.left, source), _number(node.right, source)))
        case ast.Compare():
            values = [_number(side, source) for side in (node.left, *node.comparators)]
            return all(_comparison(op)(a, b) for op, a, b in zip(node.ops, values, values[1:], strict=False))
        case ast.Call(func=ast.Name(id=name), keywords=[]):
            return _bounded(_call(name, [_number(argument, source) for argument in node.args]))
        case ast.Name(id=name) if name in _CONSTANTS:
            return _CONSTANTS[name]
        case ast.Name(id=name):
            raise ToolError(f"there is no number called {name}; write its value, or one of {', '.join(_CONSTANTS)}")
        case ast.Tuple():
            raise ToolError("write numbers without commas, as in 1204.5; a comma only parts a function's arguments")
        case _:
            raise ToolError(
                f"{_name(node)} is not arithmetic; use numbers, + - * / // % ** ( ) and functions like sqrt(2)"
            )


def _number(node: ast.expr, source: str) -> Number:
    value = _value(node, source)
    if isinstance(value, bool):
        raise ToolError("a comparison is true or false and can't be calculated with; compare last")
    return value


def _written(node: ast.Constant, source: str) -> str:
    """A number as it was written: a float has lost the digits that make it exact."""
    text = (ast.get_source_segment(source, node) or "").replace("_", "")
    if isinstance(node.value, int):
        return str(node.value)
    mantissa, _, exponent = text.lower().partition("e")
    if exponent and abs(int(exponent)) > 3000:
        raise OverflowError
    return f"{mantissa.rstrip('.') or '0'}{'e' + exponent if exponent else ''}"


def _bounded(value: Number) -> Number:
    if isinstance(value, Fraction):
        if value.numerator.bit_length() > BITS_MAX or value.denominator.bit_length() > BITS_MAX:
            raise OverflowError
    elif math.isinf(value):
        raise OverflowError
    elif math.isnan(value):
        raise ValueError("the result is not a number")
    return value


def _power(base: Number, exponent: Number) -> Number:
    if isinstance(base, Fraction) and isinstance(exponent, Fraction) and exponent.denominator == 1:
        # Powers of 0, 1 and -1 stay small whatever the exponent, but are not worked out step by step.
        if base == 0 and exponent < 0:
            raise ZeroDivisionError
        if base == 0:
            return Fraction(exponent == 0)
        if abs(base) == 1:
            return base if exponent.numerator % 2 else Fraction(1)
        size = max(base.numerator.bit_length(), base.denominator.bit_length())
        if abs(exponent) * (size - 1) > BITS_MAX:
            raise OverflowError
        return Fraction(base**exponent.numerator)
    if base < 0:
        raise ToolError("a fractional power of a negative number is not a real number")
    if exponent == Fraction(1, 2):
        return _root(base)
    return float(base) ** float(exponent)


def _root(value: Number) -> Number:
    """Exact where the root is a fraction."""
    if isinstance(value, Fraction) and value >= 0:
        above, below = math.isqrt(value.numerator), math.isqrt(value.denominator)
        if above * above == value.numerator and below * below == value.denominator:
            return Fraction(above, below)
    return math.sqrt(value)


def _round(value: Number, digits: Number = Fraction(0)) -> Number:
    """Halves go away from zero, as people round."""
    count = _whole("round", digits, 1000)
    scaled = abs(Fraction(value)) * Fraction(10) ** count
    rounded = Fraction(math.floor(scaled + Fraction(1, 2))) / Fraction(10) ** count
    return rounded if value >= 0 else -rounded


def _absolute(value: Number) -> Number:
    return abs(value)


def _ceil(value: Number) -> Number:
    return Fraction(math.ceil(value))


def _floor(value: Number) -> Number:
    return Fraction(math.floor(value))


def _sum(*values: Number) -> Number:
    return sum(values, Fraction(0))


def _mean(first: Number, *rest: Number) -> Number:
    return sum(rest, first) / (1 + len(rest))


def _log(value: Number, base: Number | None = None) -> Number:
    return math.log(value) if base is None else math.log(value) / math.log(base)


def _whole(name: str, value: Number, most: int) -> int:
    if value != math.floor(value) or abs(value) > most:
        raise ToolError(f"{name} takes whole numbers up to {most:,}, not {_shown(value)}")
    return int(value)


def _of_whole(name: str, function: Callable[..., int], most: int) -> Callable[..., Number]:
    return lambda *numbers: Fraction(function(*(_whole(name, number, most) for number in numbers)))


def _call(name: str, numbers: list[Number]) -> Number:
    function = _FUNCTIONS.get(name)
    if function is None:
        raise ToolError(f"there is no function {name}; there are {' '.join(_FUNCTIONS)}")
    if not numbers:
        raise ToolError(f"{name}() needs at least one number in the brackets")
    try:
        return function(*numbers)
    except TypeError:
        raise ToolError(f"{name} does not take {len(numbers)} numbers") from None
    except ValueError:
        values = ", ".join(map(_shown, numbers))
        raise ToolError(f"{name}({values}) is not a real number") from None


_CONSTANTS: dict[str, Number] = {"pi": math.pi, "e": math.e, "tau": math.tau}
_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Number]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.FloorDiv: lambda a, b: Fraction(a // b),
    ast.Mod: lambda a, b: a % b,
    ast.Pow: _power,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: lambda a, b: a < b,
    ast.LtE: lambda a, b: a <= b,
    ast.Eq: lambda a, b: a == b,
    ast.NotEq: lambda a, b: a != b,
    ast.GtE: lambda a, b: a >= b,
    ast.Gt: lambda a, b: a > b,
}
_FUNCTIONS: dict[str, Callable[..., Number]] = {
    "abs": _absolute,
    "ceil": _ceil,
    "floor": _floor,
    "round": _round,
    "min": lambda *xs: min(xs),
    "max": lambda *xs: max(xs),
    "sum": _sum,
    "mean": _mean,
    "sqrt": _root,
    "exp": math.exp,
    "log": _log,
    "log2": math.log2,
    "log10": math.log10,
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "asin": math.asin,
    "acos": math.acos,
    "atan": math.atan,
    "atan2": math.atan2,
    "degrees": math.degrees,
    "radians": math.radians,
    "hypot": math.hypot,
    "factorial": _of_whole("factorial", math.factorial, 1000),
    "comb": _of_whole("comb", math.comb, 5000),
    "perm": _of_whole("perm", math.perm, 1000),
    "gcd": _of_whole("gcd", math.gcd, 10**300),
    "lcm": _of_whole("lcm", math.lcm, 10**300),
}


def _comparison(op: ast.cmpop) -> Callable[[Any, Any], bool]:
    compare = _COMPARISONS.get(type(op))
    if compare is None:
        raise ToolError("only < <= == != >= > compare numbers")
    return compare


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        short = f"{value:.15g}"  # 2, not 2.0000000000000004; but all digits of 1.4142135623730951
        return short if len(short.partition("e")[0]) <= 13 else repr(value)
    if value.denominator == 1:
        return str(value.numerator)
    twos_and_fives = value.denominator
    for prime in (2, 5):
        while twos_and_fives % prime == 0:
            twos_and_fives //= prime
    from decimal import Context, Decimal

    exact = twos_and_fives == 1 and value.denominator.bit_length() <= 200
    context = Context(prec=BITS_MAX if exact else DIGITS_SHOWN)
    number = context.divide(Decimal(value.numerator), Decimal(value.denominator))
    return f"{number:f}" if -20 < number.adjusted() < 40 else f"{number:g}"


def _name(node: ast.AST) -> str:
    names = {
        "BitXor": "^", "BitAnd": "&", "BitOr": "|", "LShift": "<<", "RShift": ">>", "MatMult": "@",
        "Constant": "text or a truth value", "Attribute": "a dot after a name", "Subscript": "a [ ]",
        "Call": "this call", "IfExp": "if ... else",
    }  # fmt: skip
    return names.get(type(node).__name__, type(node).__name__.lower())


def _lesson(source: str, error: Exception) -> str:
    if not source:
        return 'the expression is empty; write one such as "3 * 14"'
    if isinstance(error, RecursionError | MemoryError):
        return "the expression is nested too deeply; work it out in steps"
    if isinstance(error, ValueError) and not isinstance(error, SyntaxError):
        return str(error) if "not a number" in str(error) else "that is not a number that can be worked out"
    percent = "; for 15% of 80 write 0.15 * 80" if "%" in source else ""
    zeros = "; write numbers without leading zeros" if "leading zeros" in str(error) else ""
    return f'"{shown(source[:80])}" is not an expression; write it as in "(3 + 4.5) * 2"{percent}{zeros}'
