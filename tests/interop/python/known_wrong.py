"""What the engine, DataFusion 55, answers wrongly or refuses, and random statements leave out.

Every form has the least statement that shows it, over the tables of `random_sql.py`, and says of a
random statement whether it has the form; where it does not say that, the form is never made.
`test_random_sql.py` asks whether each is still wrong: the day one is right, its line goes, and with
it the reason to leave the form out.
"""

from collections.abc import Callable
from dataclasses import dataclass

from random_sql import Both, Node, Query, Select, pieces

CASES = ("CASE WHEN", "COALESCE(")


@dataclass(frozen=True)
class Known:
    """One form, and a statement whose answer is not that of DuckDB."""

    name: str
    reason: str
    statement: str
    has: Callable[[Query], bool] | None = None


def known_form(query: Query) -> str | None:
    """The name of a form that a statement has and should not."""
    return next((known.name for known in KNOWN if known.has and known.has(query)), None)


# --- what a statement has


def extreme_of_infinity(query: Query) -> bool:
    return any(
        isinstance(piece, Node) and piece.text in ("min({})", "max({})") and piece.kind == "edge"
        for select in selects(query)
        if select.group
        for piece in pieces(select)
    )


def unknown_member(query: Query) -> bool:
    return any(select.where and member_below(select.where, "AND") for select in selects(query))


def member_below(node: Node, above: str) -> bool:
    """Whether a value is looked for in a subquery where null is not as good as false."""
    if " IN (SELECT" in node.text:
        return above == "NOT" or (above == "OR" and "NOT IN" in node.text)
    below = {"({} AND {})": above, "({} OR {})": "OR" if above == "AND" else above}
    return any(member_below(part, below.get(node.text, "NOT")) for part in node.parts)


def order_by_nested_case(query: Query) -> bool:
    """The last part of a window function is what it orders by."""
    return any(
        isinstance(piece, Node)
        and "OVER (" in piece.text
        and sum(str(piece.parts[-1]).count(word) for word in CASES) > 1
        for piece in pieces(query)
    )


def order_by_twins(query: Query) -> bool:
    return any(
        isinstance(piece, Both)
        and piece.word == "UNION ALL"
        and piece.order
        and any(has_twins(side.columns) for side in (piece.left, piece.right))
        for piece in pieces(query)
    )


def has_twins(columns: tuple[Node, ...]) -> bool:
    return len(set(map(str, columns))) < len(columns)


def union_of_case(query: Query) -> bool:
    return any(
        isinstance(piece, Both)
        and piece.word == "UNION"
        and any(
            column.kind == "bool" and any(word in str(column) for word in CASES)
            for side in (piece.left, piece.right)
            for column in side.columns
        )
        for piece in pieces(query)
    )


def selects(query: Query) -> list[Select]:
    return [piece for piece in pieces(query) if isinstance(piece, Select)]


KNOWN = (
    Known(
        "extreme of infinity",
        "Groups start min and max at the largest and the least finite number.",
        "SELECT n % 2, max(e) FROM small WHERE e = CAST('-inf' AS DOUBLE) GROUP BY n % 2",
        extreme_of_infinity,
    ),
    Known(
        "unknown member",
        "[NOT] IN (SELECT …) is false and never null where it is no conjunct of WHERE.",
        "SELECT count(*) FROM small WHERE k NOT IN (SELECT k FROM mid) OR n = 1",
        unknown_member,
    ),
    Known(
        "order by nested case",
        "A window's order by CASE with a CASE in it is not seen to be the order that it asked for.",
        "SELECT rank() OVER (ORDER BY CASE WHEN g < COALESCE(s, u) THEN k ELSE n END) FROM small",
        order_by_nested_case,
    ),
    Known(
        "order by twins",
        "A part of UNION ALL with one column twice is not seen to be sorted by both.",
        "SELECT d AS a, d AS b FROM big UNION ALL SELECT d AS a, d AS b FROM mid ORDER BY a, b",
        order_by_twins,
    ),
    Known(
        "union of case",
        "COALESCE or CASE of booleans may be null for one planner and not for the other.",
        "SELECT COALESCE(b, TRUE) FROM small UNION SELECT TRUE",
        union_of_case,
    ),
    Known(
        "overflow",
        "Whole numbers wrap around. (Random ones stay small.)",
        "SELECT max(id) + 9223372036854775807 FROM small",
    ),
    Known(
        "merged column",
        "USING of an outer join takes the left column, not the one that is not null.",
        "SELECT count(k) FROM none RIGHT JOIN mid USING (k)",
    ),
)
