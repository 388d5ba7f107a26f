"""Arithmetic as tenants write it: read into a typed tree, and compiled to the operations that the marts run.

Grammar: sums of products of signed parts; a part is a number, the name of a metric, or a sum in parentheses. Which
names there are is in `kpis`; what an expression is worth on a day is computed by pipeline.custom_kpi.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

LONGEST = 500  # characters
DEEPEST = 20  # parentheses and signs inside one another

Sign = Literal["+", "-", "*", "/"]
_TOKEN = re.compile(r"[0-9]+(?:\.[0-9]+)?(?![0-9a-z_.])|[a-z][a-z0-9_]*|[-+*/()]")


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


class _Reader:
    """A token ahead of what is read: `_next`, empty at the end."""

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
        token, position = self._next, self._position
        if token in ("-", "("):
            self._depth += 1
            if self._depth > DEEPEST:
                raise ExpressionError(f"position {position}: at most {DEEPEST} parentheses stand inside one another")
            self._advance()
            found = Operation("-", Number(Decimal(0)), self._part()) if token == "-" else self._enclosed()
            self._depth -= 1
            return found
        if not token or token in "+*/)":
            raise self._fault("a number, a metric or (", token)
        self._advance()
        return Number(Decimal(token)) if token[0].isdigit() else Metric(token, position)

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
        rest = self._text[self._end :]
        start = self._end + len(rest) - len(rest.lstrip(" "))
        self._position = start + 1
        if start == len(self._text):
            self._next, self._end = "", start
            return
        token = _TOKEN.match(self._text, start)
        if token is None:
            raise ExpressionError(
                f"position {self._position}: {self._text[start]!r} belongs to no number, no metric and no operation"
            )
        self._next, self._end = token.group(), token.end()

    def _fault(self, expected: str, found: str) -> ExpressionError:
        return ExpressionError(f"position {self._position}: expected {expected}, found {found or 'the end'}")
