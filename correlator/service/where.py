"""Row expressions for ``--where``: a small part of Python's grammar, compiled and nothing else."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

from correlator.errors import ConfigurationError

Row = Mapping[str, Any]
Expression = Callable[[Row], Any]

_MAX_LENGTH = 4000
"""Characters of an expression; deeper ones would exhaust the parser's stack."""

_MAX_DEPTH = 60
"""Levels of nesting: each costs a few Python frames when a row is looked at."""

_BINARY: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_COMPARE: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}
_ORDERING = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)


def compile_where(expression: str, names: frozenset[str]) -> Expression:
    """Compile an expression over the columns ``names``.

    Comparisons, ``and or not``, ``in``, ``is None``, ``+ - * /``, ``abs()``, numbers and strings.
    An ordering against an unknown value (None) is false, as in SQL.

    Raises
    ------
    ConfigurationError
        The expression uses something else; says what and which columns there are.
    """
    if len(expression) > _MAX_LENGTH:
        raise ConfigurationError(f"--where is longer than {_MAX_LENGTH} characters")
    try:
        body = ast.parse(expression, mode="eval").body
        _check_depth(body)
        return _compiled(body, names)
    except (SyntaxError, ValueError) as error:
        raise ConfigurationError(f"--where {expression!r}: {error}") from error
    except (RecursionError, MemoryError) as error:
        raise ConfigurationError("--where: the expression is nested too deep") from error


def _compiled(node: ast.expr, names: frozenset[str]) -> Expression:  # noqa: PLR0911
    match node:
        case ast.Constant(value=value) if isinstance(value, int | float | str | None):
            return lambda _row: value
        case ast.Name(id=name):
            return _column(name, names)
        case ast.BoolOp(op=op, values=values):
            parts = [_compiled(v, names) for v in values]
            every = isinstance(op, ast.And)
            return lambda row: (all if every else any)(bool(p(row)) for p in parts)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            inner = _compiled(operand, names)
            return lambda row: not inner(row)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            inner = _compiled(operand, names)
            return lambda row: None if (value := _number(inner(row))) is None else -value
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _arithmetic(_compiled(left, names), _BINARY[type(op)], _compiled(right, names))
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            return _comparison(left, ops, comparators, names)
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            items = [_compiled(e, names) for e in elements]
            return lambda row: tuple(item(row) for item in items)
        case ast.Call(func=ast.Name(id="abs"), args=[argument], keywords=[]):
            inner = _compiled(argument, names)
            return lambda row: None if (value := _number(inner(row))) is None else abs(value)
    raise ConfigurationError(f"--where: {ast.unparse(node)!r} is not allowed in an expression")


def _check_depth(body: ast.expr) -> None:
    level: list[ast.AST] = [body]
    for _ in range(_MAX_DEPTH):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return
    raise ConfigurationError(f"--where: the expression is nested deeper than {_MAX_DEPTH}")


def _column(name: str, names: frozenset[str]) -> Expression:
    if name not in names:
        raise ConfigurationError(
            f"--where: no column {name!r}; there are {', '.join(sorted(names))}"
        )
    return lambda row: row[name]


def _arithmetic(left: Expression, act: Callable[[Any, Any], Any], right: Expression) -> Expression:
    def value(row: Row) -> Any:
        a, b = _number(left(row)), _number(right(row))
        try:
            return None if a is None or b is None else act(a, b)
        except (ZeroDivisionError, OverflowError):
            return None

    return value


def _number(value: Any) -> float | None:
    """A number or None: anything else has no place in arithmetic."""
    if value is None or isinstance(value, int | float):
        return value
    raise ConfigurationError(f"--where: {value!r} is not a number")


def _comparison(
    left: ast.expr, ops: list[ast.cmpop], comparators: list[ast.expr], names: frozenset[str]
) -> Expression:
    operands = [_compiled(e, names) for e in (left, *comparators)]

    def holds(row: Row) -> bool:
        values = [operand(row) for operand in operands]
        return all(_compare(op, a, b) for op, a, b in zip(ops, values, values[1:], strict=False))

    return holds


def _compare(op: ast.cmpop, a: Any, b: Any) -> bool:
    if isinstance(op, _ORDERING) and (a is None or b is None):
        return False
    try:
        return bool(_COMPARE[type(op)](a, b))
    except TypeError as error:
        raise ConfigurationError(f"--where: cannot compare {a!r} with {b!r}") from error
