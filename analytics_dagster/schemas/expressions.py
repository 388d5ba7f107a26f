"""Arithmetic as tenants write it: read into a typed tree, and compiled to the operations that the marts run.

Grammar: sums of products of signed parts; a part is a number, the name of a metric, or a sum in parentheses. Which
names there are is in `kpis`. The marts compute with pipeline.custom_kpi; `value_of` says the same in Python.
"""

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

LONGEST = 500  # characters
DEEPEST = 20  # parentheses and signs inside one another

Sign = Literal["+", "-", "*", "/"]
_DO: Mapping[str, Callable[[Fraction, Fraction], Fraction]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
_TOO_LARGE = 10**38  # millionths: what numeric(38, 6) holds
_WORD = re.compile(r"[0-9]+(?:\.[0-9]+)?(?![0-9a-z_.])|[a-z][a-z0-9_]*|[-+*/()]")


class ExpressionError(ValueError):
    """Why this is no expression, and where: positions are characters, counted from 1."""


@dataclass(frozen=True)
class Number:
    value: Decimal


@dataclass(frozen=True)
class Metric:
    name: str
    position: int


@dataclass(frozen=True)
class Operation:
    sign: Sign
    left: "Expression"
    right: "Expression"


Expression = Number | Metric | Operation


def parsed(text: str) -> Expression:
    return _Reader(text).whole()


def postfix(expression: Expression) -> list[str]:
    """Operands before their operation, for a machine with a stack."""
    match expression:
        case Number(value):
            return [f"{value:f}"]
        case Metric(name):
            return [name]
        case Operation(sign, left, right):
            return [*postfix(left), *postfix(right), sign]


def metrics_of(expression: Expression) -> Iterator[Metric]:
    """As they are named, from the left."""
    match expression:
        case Metric():
            yield expression
        case Operation(_, left, right):
            yield from metrics_of(left)
            yield from metrics_of(right)


def value_of(expression: Expression, metrics: Mapping[str, Decimal | None]) -> Decimal | None:
    """Exact, then rounded half away from zero to six decimals; none where it divides by zero or knows no metric."""
    try:
        exact = _exact(expression, metrics)
    except (KeyError, ZeroDivisionError):
        return None
    millionths, remainder = divmod(abs(exact) * 1_000_000, 1)
    millionths += remainder >= Fraction(1, 2)
    if millionths >= _TOO_LARGE:
        return None
    # from its digits: the context of decimal arithmetic would round
    return Decimal((int(exact < 0), tuple(int(digit) for digit in str(millionths)), -6))


def _exact(expression: Expression, metrics: Mapping[str, Decimal | None]) -> Fraction:
    match expression:
        case Number(value):
            return Fraction(value)
        case Metric(name):
            known = metrics.get(name)
            if known is None:
                raise KeyError(name)
            return Fraction(known)
        case Operation(sign, left, right):
            return _DO[sign](_exact(left, metrics), _exact(right, metrics))


class _Reader:
    """One word ahead of what is read: `_next`, empty at the end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._end = 0
        self._depth = 0
        self._advance()

    def whole(self) -> Expression:
        found = self._sum()
        if self._next:
            raise self._fault("an operation", self._next)
        return found

    def _sum(self) -> Expression:
        found = self._product()
        while self._next in ("+", "-"):
            found = Operation(self._sign(), found, self._product())
        return found

    def _product(self) -> Expression:
        found = self._part()
        while self._next in ("*", "/"):
            found = Operation(self._sign(), found, self._part())
        return found

    def _part(self) -> Expression:
        word, position = self._next, self._position
        if word in ("-", "("):
            self._depth += 1
            if self._depth > DEEPEST:
                raise ExpressionError(f"position {position}: at most {DEEPEST} parentheses stand inside one another")
            self._advance()
            found = Operation("-", Number(Decimal(0)), self._part()) if word == "-" else self._enclosed()
            self._depth -= 1
            return found
        if not word or word in "+*/)":
            raise self._fault("a number, a metric or (", word)
        self._advance()
        return Number(Decimal(word)) if word[0].isdigit() else Metric(word, position)

    def _enclosed(self) -> Expression:
        found = self._sum()
        if self._next != ")":
            raise self._fault("an operation or )", self._next)
        self._advance()
        return found

    def _sign(self) -> Sign:
        sign: Sign = self._next  # type: ignore[assignment] # the caller saw which it is
        self._advance()
        return sign

    def _advance(self) -> None:
        start = self._end
        while self._text.startswith(" ", start):
            start += 1
        self._position = start + 1
        if start == len(self._text):
            self._next = ""
            return
        found = _WORD.match(self._text, start)
        if found is None:
            raise ExpressionError(
                f"position {self._position}: {self._text[start]!r} belongs to no number, no metric and no operation"
            )
        self._next, self._end = found.group(), found.end()

    def _fault(self, expected: str, found: str) -> ExpressionError:
        return ExpressionError(f"position {self._position}: expected {expected}, found {found or 'the end'}")
