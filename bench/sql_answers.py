"""When the answers of two engines to one query of `sql.py` are equal. Nothing is run here.

Values that neither engine has as floating-point numbers must be equal. Of two floating-point numbers
one part in a thousand million may differ. Where one engine has a decimal and the other has none, as
for averages, the decimal must be the other's number to its last digit. The order of the rows must
be that of the query's last ORDER BY, as far as that goes; names and widths of types do not count.
"""

import re
from decimal import Decimal

import pyarrow as pa

RELATIVE = 1e-9


def tolerance(left, right):
    """What two types may differ by: relative, absolute; nothing where they are exact."""
    kinds = (left, right)
    if not any(pa.types.is_floating(kind) for kind in kinds):
        return None
    scales = [kind.scale for kind in kinds if pa.types.is_decimal(kind)]
    return RELATIVE, max((10.0 ** -scale for scale in scales), default=0.0)


def values_of(column, inexact):
    if inexact:
        return [None if value is None else float(value) for value in column.to_pylist()]
    number = pa.types.is_decimal(column.type) or pa.types.is_integer(column.type)
    values = column.to_pylist()
    return [value if value is None else Decimal(value) for value in values] if number else values


def equal(left, right, allowed):
    if allowed is None or left is None or right is None:
        return left == right
    relative, absolute = allowed
    return abs(left - right) <= max(relative * abs(right), absolute)


def ordering(query, names):
    """The places of the columns by which the whole query is ordered."""
    last = re.split(r"\bORDER\s+BY\b", query, flags=re.IGNORECASE)
    if len(last) == 1:
        return []
    terms = re.split(r"\bLIMIT\b|;", last[-1], flags=re.IGNORECASE)[0]
    if ")" in terms:
        # It is the order of something inside.
        return []
    words = [term.split()[0].rpartition(".")[2].lower() for term in terms.split(",")]
    lower = [name.lower() for name in names]
    return [lower.index(word) for word in words]


def difference(query, ours, theirs):
    """Says how two answers, as Arrow tables, differ; nothing where they are equal."""
    if ours.shape != theirs.shape:
        return f"{ours.shape} rows and columns, not {theirs.shape}"
    pairs = list(zip(ours.schema.types, theirs.schema.types, strict=True))
    allowed = [tolerance(left, right) for left, right in pairs]
    left, right = ([values_of(column, one) for column, one in zip(table.columns, allowed)]
                   for table in (ours, theirs))
    for place in ordering(query, theirs.column_names):
        if not all(equal(a, b, allowed[place]) for a, b in zip(left[place], right[place])):
            return f"the order by {theirs.column_names[place]} is another"

    def key(row):
        exact = [(value is not None, value) for value, one in zip(row, allowed) if one is None]
        return exact, [(value is not None, value) for value, one in zip(row, allowed) if one]

    rows = zip(sorted(zip(*left), key=key), sorted(zip(*right), key=key), strict=True)
    for a, b in rows:
        if not all(map(equal, a, b, allowed)):
            return f"it has {a}, and not {b}"
    return None
