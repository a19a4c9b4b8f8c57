"""When two answers of SQL engines are equal, and how they differ where not.

Rows are compared as a multiset, or in their order where the statement gives one. Whole numbers,
decimals, texts, dates and moments must be equal; floating-point numbers may differ by one part in a
thousand million, since engines add in orders of their own. Types are not compared: engines widen as
they like. It runs nothing.
"""

import datetime
import decimal
import math
from collections import Counter

import pyarrow as pa

TOLERANCE = 1e-9
SHOWN = 8


def rows_of(table: pa.Table) -> list[tuple]:
    """The rows of an Arrow table as values of Python."""
    columns = [in_microseconds(column).to_pylist() for column in table.columns]
    return list(zip(*columns, strict=True)) if columns else []


def in_microseconds(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Moments in the unit of Python's own; what is finer would be an error."""
    kind = column.type
    return column.cast(pa.timestamp("us", kind.tz)) if pa.types.is_timestamp(kind) else column


def equal_values(left, right) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, float) or isinstance(right, float):
        return close(left, right)
    return left == right


def close(left, right) -> bool:
    if not all(isinstance(value, (int, float, decimal.Decimal)) for value in (left, right)):
        return False
    left, right = float(left), float(right)
    both_nan = math.isnan(left) and math.isnan(right)
    return both_nan or math.isclose(left, right, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


def equal_rows(left: list[tuple], right: list[tuple]) -> bool:
    """Whether rows are equal in this order."""
    return len(left) == len(right) and all(
        len(a) == len(b) and all(map(equal_values, a, b)) for a, b in zip(left, right)
    )


def equal_answers(left: list[tuple], right: list[tuple], ordered: bool) -> bool:
    if ordered:
        return equal_rows(left, right)
    if len(left) != len(right):
        return False
    return equal_rows(sorted(left, key=sort_key), sorted(right, key=sort_key))


def sort_key(row: tuple) -> list:
    """A key under which equal rows stand at one place: exact values before inexact ones."""
    exact = [plain(value) for value in row if not isinstance(value, float)]
    inexact = [(value != value, value) for value in row if isinstance(value, float)]
    return [exact, inexact, [isinstance(value, float) for value in row]]


def plain(value) -> tuple:
    """A value that can be compared with any other: its sort, then itself."""
    if value is None:
        return (0, 0)
    if isinstance(value, (bool, int, decimal.Decimal)):
        return (1, value)
    if isinstance(value, datetime.datetime):
        return (3, value.isoformat())
    return (2, value) if isinstance(value, str) else (4, str(value))


def difference(ours: list[tuple], theirs: list[tuple], ordered: bool) -> str:
    """Says which rows only one side has, or where the order differs first."""
    text = f"{len(ours)} rows, and {len(theirs)} by DuckDB"
    here, there = Counter(map(repr, ours)), Counter(map(repr, theirs))
    for who, only in (("ours", here - there), ("DuckDB", there - here)):
        shown = list(only.elements())
        text += f"\nonly {who} ({len(shown)}):" + "".join(f"\n  {row}" for row in shown[:SHOWN])
    if ordered and here == there:
        pairs = list(zip(ours, theirs))
        place = next(place for place, (a, b) in enumerate(pairs) if not equal_rows([a], [b]))
        text += f"\nthe order differs from row {place}: {pairs[place][0]!r}, {pairs[place][1]!r}"
    return text
